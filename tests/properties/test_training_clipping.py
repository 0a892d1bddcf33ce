"""For any small model, batch and clip: equal to the loop over examples, and bounded in every single record."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ringfence.training import FlatModel, clipped_sum
from ringfence.training.route import Route, choose_route, without_rules


class Mixed(nn.Module):
    """Codes [B, K] embedded, numbers [B, ..., D] through linear layers and norms, any of it frozen."""

    def __init__(self, width: int, hidden: list[int], norm: bool, positions: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(4, 3)
        layers: list[nn.Module] = []
        size = width + 3
        for wider in hidden:
            layers += [nn.Linear(size, wider), *([nn.LayerNorm(wider)] if norm else []), nn.Tanh()]
            size = wider
        self.layers, self.positions = nn.Sequential(*layers, nn.Linear(size, 2)), positions

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        embedded = self.embed(codes).mean(1)
        if self.positions:
            embedded = embedded.unsqueeze(1).expand(-1, self.positions, -1)
        return self.layers(torch.cat([x, embedded], dim=-1))


class Squares:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return model(batch["x"], batch["codes"]).flatten(1).sub(batch["y"].unsqueeze(1)).square().sum(1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[FlatModel, dict[str, Tensor], float]:
    torch.manual_seed(draw(st.integers(0, 2**31)))
    width, positions = draw(st.integers(1, 6)), draw(st.integers(0, 6))
    hidden = draw(st.lists(st.integers(2, 9), max_size=2))
    module = Mixed(width, hidden, draw(st.booleans()), positions).double()
    parameters = list(module.parameters())
    for parameter in draw(st.lists(st.sampled_from(parameters), max_size=len(parameters) - 1, unique_by=id)):
        parameter.requires_grad_(False)
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    shape = (n, positions, width) if positions else (n, width)
    scale = 10.0 ** draw(st.integers(-4, 4))
    batch = {"x": scale * torch.randn(shape).double(), "codes": torch.randint(4, (n, k)), "y": torch.randn(n).double()}
    return FlatModel(module, torch.float64), batch, 10.0 ** draw(st.integers(-3, 3))


def naive_terms(model: FlatModel, batch: dict[str, Tensor], clip: float) -> list[Tensor]:
    terms = []
    for i in range(len(batch["y"])):
        value = Squares().loss(model.module, {name: tensor[i : i + 1] for name, tensor in batch.items()}).sum()
        parts = torch.autograd.grad(value, list(model.parameters), allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.flatten() for part in parts])
        terms.append(gradient * min(1.0, clip / max(float(gradient.norm()), 1e-300)))
    return terms


@settings(deadline=None, max_examples=60)
@given(cases(), st.integers(1, 6))
def test_rules_and_fallback_equal_the_loop_in_every_microbatch_size(case, size: int) -> None:
    model, batch, clip = case
    expected = torch.stack(naive_terms(model, batch, clip)).sum(0)
    layers = choose_route(model, Squares(), batch).layers
    assert choose_route(model, Squares(), batch).rest == ()
    for route in (Route(layers, (), 100), Route(layers, (), size), Route((), without_rules(model).rest, size)):
        found = clipped_sum(model, Squares(), batch, clip, route=route)
        assert (found - expected).norm() <= 1e-9 * max(float(expected.norm()), clip)


@settings(deadline=None, max_examples=60)
@given(cases(), st.data())
def test_one_record_more_moves_the_sum_by_at_most_the_clip(case, data: st.DataObject) -> None:
    model, batch, clip = case
    n = len(batch["y"])
    gone = data.draw(st.integers(0, n - 1))
    batch["x"][gone] *= data.draw(st.sampled_from([0.0, 1.0, 1e6, 1e150, float("inf"), float("nan")]))
    rest = {name: tensor[[i for i in range(n) if i != gone]] for name, tensor in batch.items()}
    moved = clipped_sum(model, Squares(), batch, clip) - clipped_sum(model, Squares(), rest, clip)
    assert moved.norm() <= clip * (1 + 1e-6)


@settings(deadline=None, max_examples=40)
@given(cases())
def test_a_single_record_in_float32_is_clipped_to_the_clip(case) -> None:
    model, batch, clip = case
    model = FlatModel(model.module.float())
    single = {name: tensor[:1].float() if tensor.is_floating_point() else tensor[:1] for name, tensor in batch.items()}
    assert clipped_sum(model, Squares(), single, clip).double().norm() <= clip * (1 + 1e-6)
