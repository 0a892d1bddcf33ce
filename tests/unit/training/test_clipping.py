"""Clipped sums: equal to a loop over examples for every model, and bounded whatever a record holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ringfence.errors import InvalidInput, InvalidTask
from ringfence.tasks.tabular import TabularClassifier, TabularNet
from ringfence.training import FlatModel, clipped_sum
from ringfence.training.clipping import Route, choose_route
from ringfence.training.tape import ruled_layers


class Squares:
    """Half the squared distance of the model's output to the target, one value a record."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        output = model(batch["x"]).flatten(1)
        return 0.5 * (output - batch["y"].unsqueeze(1)).square().sum(1)


def naive_sum(model: FlatModel, task, batch: dict[str, Tensor], clip: float) -> Tensor:
    """One example after another, by plain autograd; the definition itself."""
    total = torch.zeros(model.trainable.numel(), dtype=torch.float64)
    for i in range(len(batch["y"])):
        value = task.loss(model.module, {name: tensor[i : i + 1] for name, tensor in batch.items()}).sum()
        parts = torch.autograd.grad(value, list(model.parameters), allow_unused=True)
        parts = [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters, parts, strict=True)]
        gradient = torch.cat([part.flatten() for part in parts]).double()
        total += gradient * min(1.0, clip / max(float(gradient.norm()), 1e-300))
    return total


def assert_same(found: Tensor, expected: Tensor, tolerance: float = 2e-6) -> None:
    assert (found.double() - expected).norm() <= tolerance * max(float(expected.norm()), 1e-12)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(6, 6)
        self.down = nn.Linear(6, 6)
        self.down.weight = self.up.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.tanh(self.up(x)))


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(torch.tanh(self.step(x)))


class ByHand(nn.Module):
    """Uses a layer's weight past the layer: the rule alone would miss half of the gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x)) @ self.layer.weight


class TimeFirst(nn.Module):
    """Turns [B, T, D] into [T, B, D]: with T = B the first dimension has the right size and the wrong meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


class InPlace(nn.Module):
    """Overwrites the output of a layer after it was seen, in the middle of the model and not only behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        hidden += x
        return self.second(hidden.tanh_())


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.cell, self.head = kind(4, 5, batch_first=True), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x, x, x, need_weights=False)[0].mean(1)


class Bag(nn.Module):
    """Token embeddings [B, T], a norm, a layer applied to every position, and one shared parameter frozen."""

    def __init__(self, padding: int | None) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(5, 4, padding_idx=padding), nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.embed(x))).mean(1)


class OwnParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.ones(6)), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * self.scale)


class Branching(nn.Module):
    """Decides by a value, which vmap cannot; one example after another still can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(6, 1), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (self.scale if x.sum().item() > 0 else 2 * self.scale)


def frozen(model: nn.Sequential) -> nn.Module:
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


def weight_normed(linear: nn.Linear) -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(linear), nn.Linear(3, 1))


B = 7
RULED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 1), (B, 6)),
    "linear without bias": (lambda: nn.Linear(6, 3, bias=False), (B, 6)),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1)), (B, 6)),
    "frozen": (lambda: frozen(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))), (B, 6)),
    "norm": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 1)), (B, 6)),
    "norm over two dimensions": (lambda: nn.Sequential(nn.LayerNorm((3, 4)), nn.Linear(4, 2)), (B, 3, 4)),
    "norm without bias": (lambda: nn.Sequential(nn.LayerNorm(4, bias=False), nn.Linear(4, 2)), (B, 3, 4)),
    "3-D, few positions": (lambda: nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)), (B, 2, 8)),
    "3-D, many positions": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (B, 30, 4)),
    "4-D": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), (B, 2, 3, 4)),
    "as many positions as records": (lambda: nn.Linear(4, 3), (B, B, 4)),
}
FALLBACK: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "tied": (Tied, (B, 6)),
    "parameter of its own": (OwnParameter, (B, 6)),
    "convolution": (lambda: nn.Sequential(nn.Conv1d(3, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 1)), (B, 3, 4)),
    "gru": (lambda: Recurrent(nn.GRU), (B, 3, 4)),
    "lstm": (lambda: Recurrent(nn.LSTM), (B, 3, 4)),
    "attention": (Attention, (B, 3, 4)),
    "weight norm": (lambda: weight_normed(nn.Linear(6, 3)), (B, 6)),
    "branch by value": (Branching, (B, 6)),
}
VOID: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "reused": (Reused, (B, 6)),
    "weight used by hand": (ByHand, (B, 6)),
    "time first": (TimeFirst, (B, B, 4)),
    "overwritten in place": (InPlace, (B, 6)),
    "relu in place": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 1)), (B, 6)),
}


def flat(make: Callable[[], nn.Module], dtype: torch.dtype = torch.float32) -> FlatModel:
    torch.manual_seed(5)
    return FlatModel(make().to(dtype), dtype)


def records(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(shape, generator=generator, dtype=dtype)
    return {"x": x, "y": torch.randn(shape[0], generator=generator, dtype=dtype)}


def tokens(shape: tuple[int, ...], values: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(8)
    x = torch.randint(values, shape, generator=generator)
    return {"x": x, "y": torch.randn(shape[0], generator=generator)}


@pytest.mark.parametrize("clip", [0.3, 1e6])
@pytest.mark.parametrize("name", [*RULED, *FALLBACK, *VOID])
def test_the_sum_equals_a_loop_over_examples(name: str, clip: float) -> None:
    make, shape = (RULED | FALLBACK | VOID)[name]
    model, batch = flat(make), records(shape)
    assert_same(clipped_sum(model, Squares(), batch, clip), naive_sum(model, Squares(), batch, clip))


@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("positions", [1, 6])
def test_the_sum_over_embeddings_equals_a_loop_over_examples(padding: int | None, positions: int) -> None:
    model, batch = flat(lambda: Bag(padding)), tokens((B, positions))
    assert choose_route(model, Squares(), batch).layers is not None
    assert_same(clipped_sum(model, Squares(), batch, 0.1), naive_sum(model, Squares(), batch, 0.1))


@pytest.mark.parametrize("name", list(RULED))
def test_a_model_of_ruled_layers_takes_the_rules(name: str) -> None:
    make, shape = RULED[name]
    assert choose_route(flat(make), Squares(), records(shape)).layers is not None


@pytest.mark.parametrize("name", [*FALLBACK, *VOID])
def test_a_model_that_the_rules_would_get_wrong_does_not_take_them(name: str) -> None:
    make, shape = (FALLBACK | VOID)[name]
    model, batch = flat(make), records(shape)
    assert choose_route(model, Squares(), batch).layers is None


@pytest.mark.parametrize("name", [*(name for name in VOID if name != "time first"), "time first, fewer than records"])
def test_a_batch_that_breaks_the_rules_falls_back_although_the_route_said_rules(name: str) -> None:
    make, shape = (VOID | {"time first, fewer than records": (TimeFirst, (B, 3, 4))})[name]
    model, batch = flat(make), records(shape)
    found = clipped_sum(model, Squares(), batch, 0.3, route=Route(ruled_layers(model), 100))
    assert_same(found, naive_sum(model, Squares(), batch, 0.3))


@pytest.mark.parametrize("positions", [2, 3])
def test_a_turned_batch_is_noticed_although_no_gradient_shows_it(positions: int) -> None:
    model, batch = flat(TimeFirst), records((B, positions, 4))
    assert choose_route(model, Nothing(), batch).layers is None


def test_a_layer_with_a_forward_of_its_own_is_not_computed_by_the_rule() -> None:
    model, batch = flat(lambda: nn.Linear(6, 1)), records((B, 6))
    patched = lambda x: 3 * nn.functional.linear(x, model.module.weight, model.module.bias)  # noqa: E731
    model.module.forward = patched
    assert_same(clipped_sum(model, Squares(), batch, 0.3), naive_sum(model, Squares(), batch, 0.3))
    assert model.module.forward is patched


@pytest.mark.parametrize("hidden", [[], [16, 8]])
def test_the_built_in_classifier_takes_the_rules_and_equals_the_loop(hidden: list[int]) -> None:
    model, task = flat(lambda: TabularNet(5, [3, 7], hidden, 4)), TabularClassifier(hidden, 4)
    codes = torch.stack([torch.arange(B) % 3, torch.arange(B)], dim=1)
    target = (torch.arange(B) % 2).float()
    batch = {"numbers": records((B, 5))["x"], "codes": codes, "target": target, "y": target}
    assert choose_route(model, task, batch).layers is not None
    assert_same(clipped_sum(model, task, batch, 0.3), naive_sum(model, task, batch, 0.3))


def test_layers_compute_with_their_own_weights_again_after_a_sum() -> None:
    model, batch = flat(RULED["mlp"][0]), records((B, 6))
    clipped_sum(model, Squares(), batch, 1.0)
    assert not any("forward" in layer.__dict__ for layer in model.module.modules())
    assert torch.autograd.grad(Squares().loss(model.module, batch).sum(), list(model.parameters))


def test_no_records_give_zeros_without_asking_the_task() -> None:
    model = flat(RULED["mlp"][0])
    batch = {"x": torch.zeros(0, 6), "y": torch.zeros(0)}
    assert torch.equal(clipped_sum(model, None, batch, 1.0), torch.zeros(model.trainable.numel()))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mlp", "norm", "4-D", "convolution"])
def test_one_record_gives_its_clipped_gradient(name: str) -> None:
    make, shape = (RULED | FALLBACK)[name]
    model, batch = flat(make), records((1, *shape[1:]))
    found = clipped_sum(model, Squares(), batch, 0.01)
    assert_same(found, naive_sum(model, Squares(), batch, 0.01))
    assert float(found.double().norm()) == pytest.approx(0.01, rel=1e-6)


class Nothing:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return 0 * model(batch["x"]).flatten(1).sum(1)


class Apart:
    """A loss that does not depend on the model at all."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return batch["y"]


@pytest.mark.parametrize("task", [Nothing(), Apart()])
@pytest.mark.parametrize("name", ["mlp", "norm", "4-D", "convolution"])
def test_zero_gradients_give_zeros(task, name: str) -> None:
    make, shape = (RULED | FALLBACK)[name]
    model = flat(make)
    assert torch.equal(clipped_sum(model, task, records(shape), 1.0), torch.zeros(model.trainable.numel()))


@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["linear", "mlp", "norm", "3-D, few positions", "3-D, many positions", "4-D", "gru"])
def test_a_record_that_is_not_finite_adds_nothing_and_changes_nothing(name: str, bad: float) -> None:
    make, shape = (RULED | FALLBACK)[name]
    model, batch = flat(make), records(shape)
    batch["x"][3].view(-1)[1] = bad
    batch["y"][5] = float("nan")
    rest = {key: value[[0, 1, 2, 4, 6]] for key, value in batch.items()}
    if name != "gru" or math.isnan(bad):  # a gate saturates at infinity, so that gradient may stay finite
        assert_same(clipped_sum(model, Squares(), batch, 0.3), naive_sum(model, Squares(), rest, 0.3))
    assert clipped_sum(model, Squares(), batch, 0.3).isfinite().all()


class Shifted:
    """A loss that can be NaN while its gradient is finite."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return Squares().loss(model, batch) + batch["shift"]


@pytest.mark.parametrize("name", ["mlp", "convolution"])
def test_a_record_whose_loss_alone_is_not_finite_adds_nothing(name: str) -> None:
    make, shape = (RULED | FALLBACK)[name]
    model, batch = flat(make), records(shape) | {"shift": torch.zeros(B)}
    batch["shift"][2] = float("nan")
    rest = {key: value[[0, 1, 3, 4, 5, 6]] for key, value in batch.items()}
    assert_same(clipped_sum(model, Shifted(), batch, 0.3), naive_sum(model, Shifted(), rest, 0.3))


def test_weights_that_are_not_finite_give_zeros() -> None:
    model = flat(RULED["mlp"][0])
    model.vector.fill_(float("nan"))
    assert torch.equal(clipped_sum(model, Squares(), records((B, 6)), 1.0), torch.zeros(model.trainable.numel()))


@pytest.mark.parametrize("name", ["mlp", "norm", "3-D, few positions", "convolution"])
def test_microbatches_do_not_change_the_sum(name: str) -> None:
    make, shape = (RULED | FALLBACK)[name]
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        model, batch = flat(make, dtype), records((50, *shape[1:]), dtype)
        layers = choose_route(model, Squares(), batch).layers
        whole = clipped_sum(model, Squares(), batch, 0.3, route=Route(layers, 50)).double()
        for size in (1, 7, 49):
            found = clipped_sum(model, Squares(), batch, 0.3, route=Route(layers, size))
            assert_same(found, whole, tolerance)


@pytest.mark.parametrize(("drawn", "positions", "largest"), [(5000, 1, 4096), (600, 2000, 500)])
def test_a_large_sample_is_never_held_at_once(drawn: int, positions: int, largest: int) -> None:
    seen: list[int] = []

    class Watching:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            seen.append(len(batch["y"]))
            return Squares().loss(model, batch)

    batch = {"x": torch.zeros(9000, 1, 8).expand(-1, positions, -1), "y": torch.zeros(9000)}
    model = flat(lambda: nn.Linear(8, 16))
    route = choose_route(model, Watching(), batch)
    clipped_sum(model, Watching(), {name: tensor[:drawn] for name, tensor in batch.items()}, 1.0, route=route)
    assert 2 < max(seen) <= largest and sum(seen) == drawn + 2 + 3


def test_autocast_does_not_touch_norms_and_sums() -> None:
    model, batch = flat(RULED["mlp"][0]), records((1, 6))
    with torch.autocast("cpu", torch.bfloat16):
        found = clipped_sum(model, Squares(), batch, 0.01)
    assert found.dtype == torch.float32
    assert float(found.double().norm()) == pytest.approx(0.01, rel=1e-6)


def test_the_norm_of_gradients_that_cancel_is_not_underestimated() -> None:
    model = flat(lambda: nn.Linear(64, 64, bias=False))

    class Difference:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            output = model(batch["x"]).sum(2)
            return 1e4 * (output[:, 0] - output[:, 1])

    x = torch.randn(4, 1, 64).repeat(1, 2, 1)
    x[:, 1] += 1e-3 * torch.randn(4, 64)
    for i in range(4):
        found = clipped_sum(model, Difference(), {"x": x[i : i + 1]}, 1.0)
        assert float(found.double().norm()) == pytest.approx(1.0, rel=1e-4)


class Averaged:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return Squares().loss(model, batch).mean()


def test_a_loss_that_is_averaged_already_is_refused() -> None:
    model = flat(RULED["mlp"][0])
    with pytest.raises(
        InvalidTask, match=r"^Averaged: loss returned \[\] for \d records, not \[\d\]; return one value"
    ):
        clipped_sum(model, Averaged(), records((B, 6)), 1.0)


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clip_that_bounds_nothing_is_refused(clip: float) -> None:
    with pytest.raises(InvalidInput, match=r"^max_norm: the clipping norm is not a positive number$"):
        clipped_sum(flat(RULED["mlp"][0]), Squares(), records((B, 6)), clip)
