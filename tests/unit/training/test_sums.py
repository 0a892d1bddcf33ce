"""One noised sum over everybody: what one unit can move, what the noise is, and that adding up loses nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from ringfence.errors import PlanImpossible
from ringfence.tasks.sums import PARTS, POSITIONS, Cells
from ringfence.training.flat import FlatModel
from ringfence.training.plan import PrivateStep
from ringfence.training.sums import SumPlan, clipped_parts, train_sums

CELLS = 12


def invented(rows: int, width: int, size: float, seed: int) -> dict[str, torch.Tensor]:
    """Rows with parts in `width` different cells, each part up to `size`."""
    draw = np.random.default_rng(seed)
    positions = np.stack([draw.permutation(CELLS)[:width] for _ in range(rows)])
    parts = draw.uniform(-size, size, (rows, width)).astype(np.float32)
    return {POSITIONS: torch.from_numpy(positions), PARTS: torch.from_numpy(parts)}


def by_loop(data: dict[str, torch.Tensor], owners: list[int], clip: float) -> np.ndarray:
    total = np.zeros(CELLS)
    for owner in set(owners):
        rows = [row for row, one in enumerate(owners) if one == owner]
        own = np.zeros(CELLS)
        for row in rows:
            for cell, part in zip(data[POSITIONS][row], data[PARTS][row], strict=True):
                own[int(cell)] += float(part) / len(rows)
        total += own * min(1.0, clip / np.linalg.norm(own))
    return total


@pytest.mark.parametrize("size", [0.2, 5.0], ids=["within", "clipped"])
def test_the_sum_equals_a_loop_over_units(size):
    data, owners = invented(40, 3, size, seed=1), sorted(np.random.default_rng(2).integers(0, 9, 31).tolist())
    owners = [*range(9), *owners]
    order = torch.tensor(np.argsort(owners, kind="stable"))
    data = {name: values[order] for name, values in data.items()}
    owners = sorted(owners)
    np.testing.assert_allclose(clipped_parts(data, torch.tensor(owners), CELLS, 1.0), by_loop(data, owners, 1.0))
    rows = list(range(40))
    np.testing.assert_allclose(clipped_parts(data, None, CELLS, 1.0), by_loop(data, rows, 1.0))


@pytest.mark.parametrize("owned", [False, True], ids=["record", "user"])
def test_one_unit_more_moves_the_sum_by_at_most_the_clip_even_if_its_parts_are_larger_than_said(owned):
    for seed in range(20):
        data = invented(12, 4, 100.0, seed)
        owners = torch.arange(12) // 3 if owned else None
        kept = 9 if owned else 11
        fewer = {name: values[:kept] for name, values in data.items()}
        whole = clipped_parts(data, owners, CELLS, 0.5)
        less = clipped_parts(fewer, None if owners is None else owners[:kept], CELLS, 0.5)
        assert np.linalg.norm(whole - less) <= 0.5 * (1 + 1e-12)


def test_parts_that_are_not_finite_add_nothing_and_harm_nobody():
    data = invented(4, 2, 1.0, seed=3)
    clean = {name: values[1:] for name, values in data.items()}
    for broken in (float("nan"), float("inf")):
        data[PARTS][0, 0] = broken
        assert np.array_equal(clipped_parts(data, None, CELLS, 1.0), clipped_parts(clean, None, CELLS, 1.0))


def test_many_equal_parts_add_up_exactly():
    """In float32 one after another they would be hundreds off."""
    part = np.float32(0.5773502)
    data = {POSITIONS: torch.zeros(300_000, 1, dtype=torch.int64), PARTS: torch.full((300_000, 1), float(part))}
    (total,) = clipped_parts(data, None, 1, 1.0)
    assert total == pytest.approx(float(part) * 300_000, rel=1e-12)


def test_the_noise_is_on_the_sum_and_as_reserved():
    model = FlatModel(Cells(40_000))
    data = {POSITIONS: torch.zeros(8, 1, dtype=torch.int64), PARTS: torch.ones(8, 1)}
    train_sums(model, data, None, SumPlan(100, 1, PrivateStep(3.0, Fraction(1), 0.5)))
    noise = model.trainable.double().numpy()[1:] * 100
    assert noise.std() == pytest.approx(3.0 * 0.5, rel=0.02)
    assert abs(noise.mean()) < 0.05


def test_without_privacy_the_mean_is_exact():
    model = FlatModel(Cells(2))
    data = {POSITIONS: torch.tensor([[0], [1], [0]]), PARTS: torch.ones(3, 1)}
    train_sums(model, data, None, SumPlan(3, 1, None))
    assert torch.equal(model.trainable, torch.tensor([2 / 3, 1 / 3]))


@pytest.mark.parametrize(
    ("steps", "rate"), [(2, Fraction(1)), (1, Fraction(1, 2))], ids=["two steps", "a sample of half"]
)
def test_a_plan_that_is_not_one_sum_over_everybody_is_refused(steps, rate):
    with pytest.raises(PlanImpossible, match="sums are released once a round, over everybody") as caught:
        SumPlan(10, steps, PrivateStep(1.0, rate, 1.0))
    assert caught.value.remedy == 'set local.everybody and local.epochs: "1"'
