"""What one user does in a round, and which rows are whose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ringfence.errors import InvalidInput
from ringfence.training.plan import PrivateStep

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UserPlan:
    """A round of user-level training: `users_per_round` users start from the round's model, each on its own rows.

    A user with n rows takes max(1, round(epochs * ceil(n / batch_size))) steps of SGD over its rows in stored order,
    `batch_size` at a time, the last batch of a pass smaller: w -= learning_rate * v, v = momentum * v + gradient +
    proximal * (w - w_round), v = 0 at the start. What a user contributes is its whole change of w.

    With `private`, users are drawn with probability `private.sampling_rate` each, `users_per_round` is the expected
    number, and `private.max_grad_norm` clips a user's whole change. Without, exactly so many users are drawn by `seed`.
    """

    users_per_round: int
    epochs: Fraction
    batch_size: int
    learning_rate: float
    momentum: float = 0.0
    proximal: float = 0.0
    private: PrivateStep | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("users_per_round", "epochs", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInput("is not a positive number", where=name)
        if not 0 <= self.momentum < 1:
            raise InvalidInput("is not in [0, 1)", where="momentum")
        if not (math.isfinite(self.proximal) and self.proximal >= 0):
            raise InvalidInput("is not a number of at least 0", where="proximal")
        if (self.private is None) == (self.seed is None):
            raise InvalidInput("a run has either a seed or privacy: a private sample follows no seed", where="seed")

    def steps(self, rows: int) -> int:
        """Steps of a user with so many rows."""
        return max(1, round(self.epochs * math.ceil(rows / self.batch_size)))

    def batches(self, rows: int) -> Iterator[tuple[int, int]]:
        """The rows of each step, as (first, one past the last) within the user's own."""
        edges = [*range(0, rows, self.batch_size), rows]
        passes = list(pairwise(edges))
        for step in range(self.steps(rows)):
            yield passes[step % len(passes)]


@dataclass(frozen=True)
class UserRows:
    """Rows grouped by user: user u has the rows `starts[u]` to `starts[u + 1]`, in the order they were sealed in."""

    starts: Indices

    def __len__(self) -> int:
        return len(self.starts) - 1

    def owners(self) -> Tensor:
        """Which user each row is of, [N], rising."""
        return torch.from_numpy(np.repeat(np.arange(len(self)), np.diff(self.starts)))

    def count(self, user: int) -> int:
        """The rows of one user, at least 1."""
        return int(self.starts[user + 1] - self.starts[user])


def group_users(codes: Indices, declared: int | None) -> tuple[Indices, UserRows]:
    """The order [N] that brings each user's rows together, from a user's number for each row [N], and the grouping.

    Raises InvalidInput unless there are exactly `declared` users with rows, where that is known: the sampling rate
    counts them, so a user more or fewer would be drawn with another probability than was accounted.
    """
    order = np.argsort(codes, kind="stable").astype(np.int64)
    sizes = np.unique(codes, return_counts=True)[1]
    if declared is not None and len(sizes) != declared:
        more = "more users have rows" if len(sizes) > declared else "some of them have 0 rows"
        raise InvalidInput(
            f"{declared} users are declared, and {more}",
            where="the dataset's users",
            remedy="its owner seals the dataset again",
        )
    return order, UserRows(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
