"""Clipped sums over thirty random models and shapes are those of a loop over examples, whatever the batch holds."""

from __future__ import annotations

import pytest
import torch
from support.random_models import Squares, random_model
from torch import Tensor, nn

from ringfence.training import FlatModel, clipped_sum
from ringfence.training.route import choose_route, without_rules

SEEDS = range(30)


def clipped_terms(model: FlatModel, batch: dict[str, Tensor], clip: float) -> Tensor:
    """[B, T]: each example's gradient by plain autograd, scaled to the clip; the definition itself, in float64."""
    rows = []
    for i in range(len(batch["y"])):
        value = Squares().loss(model.module, {name: tensor[i : i + 1] for name, tensor in batch.items()}).sum()
        parts = torch.autograd.grad(value, list(model.parameters), allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.flatten() for part in parts]).double()
        rows.append(gradient * min(1.0, clip / max(float(gradient.norm()), 1e-300)))
    return torch.stack(rows) if rows else torch.zeros(0, model.trainable.numel()).double()


def case(seed: int, records: int) -> tuple[FlatModel, dict[str, Tensor], float]:
    _, module, batch = random_model(seed, records)
    return FlatModel(module), batch, (0.1, 1.0, 10.0)[seed % 3]


def off(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm().clamp(min=1e-9))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sum_equals_the_loop_to_one_part_in_a_hundred_thousand(seed: int) -> None:
    for records in (9, 1):
        model, batch, clip = case(seed, records)
        assert choose_route(model, Squares(), batch).rest == ()
        expected = clipped_terms(model, batch, clip).sum(0)
        assert off(clipped_sum(model, Squares(), batch, clip), expected) < 1e-5
        assert off(clipped_sum(model, Squares(), batch, clip, route=without_rules(model)), expected) < 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_a_batch_add_up_to_the_whole(seed: int) -> None:
    """Gradient accumulation: empty parts, single records, and the rest."""
    model, batch, clip = case(seed, 9)
    route = choose_route(model, Squares(), batch)
    whole = clipped_sum(model, Squares(), batch, clip, route=route)
    total = torch.zeros_like(whole)
    for part in (slice(0, 0), slice(0, 1), slice(1, 4), slice(4, 4), slice(4, 9)):
        piece = {name: tensor[part] for name, tensor in batch.items()}
        total += clipped_sum(model, Squares(), piece, clip, route=route)
    assert off(total, whole.double()) < 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_records_that_are_not_finite_add_nothing(seed: int) -> None:
    model, batch, clip = case(seed, 6)
    route = choose_route(model, Squares(), batch)
    batch["y"][1], batch["y"][4] = float("nan"), float("inf")
    if batch["x"].is_floating_point():
        batch["x"][2] = float("nan")
    kept = [0, 3, 5] if batch["x"].is_floating_point() else [0, 2, 3, 5]
    expected = clipped_terms(model, {name: tensor[kept] for name, tensor in batch.items()}, clip).sum(0)
    assert off(clipped_sum(model, Squares(), batch, clip, route=route), expected) < 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_zero_gradients_and_no_records_give_zeros(seed: int) -> None:
    class Nothing:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            return 0 * model(batch["x"]).flatten(1).sum(1)

    model, batch, clip = case(seed, 4)
    assert not clipped_sum(model, Nothing(), batch, clip).any()
    assert not clipped_sum(model, Squares(), {name: tensor[:0] for name, tensor in batch.items()}, clip).any()


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_record_more_moves_the_sum_by_at_most_the_clip(seed: int, by_layer: bool) -> None:
    model, batch, clip = case(seed, 5)
    batch["y"] *= 1e4
    route = choose_route(model, Squares(), batch)
    for gone in range(5):
        rest = {name: tensor[[i for i in range(5) if i != gone]] for name, tensor in batch.items()}
        both = [clipped_sum(model, Squares(), some, clip, route=route, by_layer=by_layer) for some in (batch, rest)]
        assert (both[0] - both[1]).double().norm() <= clip * (1 + 1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_clipped_by_layer_every_layer_is_clipped_to_its_share(seed: int) -> None:
    model, batch, clip = case(seed, 1)
    batch["y"] += 100.0
    found = clipped_sum(model, Squares(), batch, clip, by_layer=True).double()
    plain = clipped_sum(model, Squares(), batch, 1e30).double()
    layers: dict[str, list[slice]] = {}
    for slot in model.slots:
        if slot.trainable:
            layers.setdefault(slot.name.rpartition(".")[0], []).append(slice(slot.offset, slot.offset + slot.size))
    share = clip / len(layers) ** 0.5
    for places in layers.values():
        mine, gradient = (torch.cat([vector[place] for place in places]) for vector in (found, plain))
        expected = gradient * min(1.0, share / max(float(gradient.norm()), 1e-300))
        assert (mine - expected).norm() <= 1e-5 * share
