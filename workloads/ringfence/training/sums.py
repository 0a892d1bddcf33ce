"""A silo's round of a task that only adds up (`tasks.sums`): one noised sum in which every unit takes part.

    update = (sum_u x_u min(1, C / |x_u|) + N(0, (sigma C)^2 I)) / N

x_u is the part of a record, or with unit User the mean of the parts of a user's rows; N their declared number. Added up
in float64: a million equal parts, added one by one in float32, would be off by more than the noise. By the task's own
word |x_u| <= 1, so that with C = 1 the clip changes nothing; it is here because a guarantee rests on no task's word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ringfence.errors import PlanImpossible
from ringfence.privacy.noise import NoiseSource
from ringfence.tasks.sums import PARTS, POSITIONS
from ringfence.tasks.task import Batch
from ringfence.training.flat import FlatModel
from ringfence.training.plan import PrivateStep

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SumPlan:
    """One sum over `units`; `private` says how it is clipped and noised, None for rows that were sealed as public."""

    units: int
    steps: int
    private: PrivateStep | None

    def __post_init__(self) -> None:
        if self.steps != 1 or (self.private is not None and self.private.sampling_rate != 1):
            raise PlanImpossible(
                "sums are released once a round, over everybody",
                where="plan",
                remedy='set local.everybody and local.epochs: "1"',
            )


def train_sums(model: FlatModel, data: Batch, owners: Tensor | None, plan: SumPlan) -> None:
    """Add the update to `model` [K], in place. `owners` [N] says which user each row is of; None where rows count."""
    cells = len(model.trainable)
    total = clipped_parts(data, owners, cells, None if plan.private is None else plan.private.max_grad_norm)
    if plan.private is not None:
        total = NoiseSource().add_gaussian(total, plan.private.noise_multiplier * plan.private.max_grad_norm)
    model.trainable.add_(torch.from_numpy(total / plan.units))


def clipped_parts(data: Batch, owners: Tensor | None, cells: int, clip: float | None) -> Array:
    """sum_u x_u min(1, C / |x_u|) [cells], before any noise; without a clip the plain sum.

    A unit with a part that is not finite adds exactly 0. With one unit more or less the sum moves by at most C.
    """
    positions, parts = data[POSITIONS].numpy(), data[PARTS].double().numpy()
    units = np.arange(len(parts)) if owners is None else owners.numpy()
    if owners is not None:
        parts = parts / np.bincount(units)[units, None]
    # One entry for every (unit, cell): a user's rows meet in the same cells.
    keys, inverse = np.unique((units[:, None] * cells + positions).ravel(), return_inverse=True)
    values: Array = np.bincount(inverse, weights=parts.ravel(), minlength=len(keys)).astype(np.float64)
    unit, cell = keys // cells, keys % cells
    if clip is not None:
        values = values * _factors(unit, values, clip)[unit]
    return np.bincount(cell, weights=values, minlength=cells).astype(np.float64)


def _factors(unit: NDArray[np.int64], values: Array, clip: float) -> Array:
    """min(1, C / |x_u|) by unit; 0 for one that is not finite, whose values are set to 0 in place."""
    norms = np.sqrt(np.bincount(unit, weights=values**2))
    broken = ~np.isfinite(norms)
    values[broken[unit]] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(broken, 0.0, np.minimum(1.0, clip / norms))
