"""Clipped sums: equal to a loop over examples for every model, and bounded whatever a record holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ringfence.errors import InvalidInput, InvalidTask
from ringfence.tasks.nets import TabularNet
from ringfence.tasks.tabular import TabularClassifier
from ringfence.training import FlatModel, clipped_sum
from ringfence.training.route import Route, choose_route, without_rules
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


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(6, 2), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class Positions(nn.Module):
    """A table of positions looked up once for the whole batch, as most transformers do: its first dimension is T."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.layer = nn.Embedding(5, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(x + self.places(torch.arange(x.shape[1])))).mean(1)


class Dropping(nn.Module):
    """Draws random numbers and has a parameter without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.layer, self.drop = nn.Parameter(torch.ones(6)), nn.Linear(6, 1), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.drop(x * self.scale))


class Block(nn.Module):
    """A layer of PyTorch's own transformer: its packed projections have no rule, its norms and linear layers have."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x).mean(1)


class Centred(nn.Module):
    """Subtracts the mean over the batch: no record is apart, so each has to be taken alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        return torch.sin(z - z.mean(0))


class Leaking(nn.Module):
    """Adds nothing to any value and every record's output to every other's gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        return torch.sin(z + z.mean(0) - z.mean(0).detach())


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
    "positions in pairs": (lambda: nn.Sequential(nn.Linear(20, 24), nn.Tanh(), nn.Linear(24, 20)), (B, 2, 20)),
    "formed and dropped": (lambda: nn.Linear(24, 24, bias=False), (B, 20, 24)),
    "rms norm": (lambda: nn.Sequential(nn.RMSNorm(4), nn.Linear(4, 2), nn.RMSNorm(2)), (B, 3, 4)),
    "group norm": (lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.Tanh(), nn.Conv1d(4, 2, 2)), (B, 4, 5)),
    "convolution": (lambda: nn.Sequential(nn.Conv1d(3, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 1)), (B, 3, 4)),
    "convolution 2-D": (lambda: nn.Conv2d(3, 4, 3, stride=2, padding=(1, 2), dilation=(1, 2)), (B, 3, 8, 9)),
    "convolution in groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), (B, 4, 5, 5)),
    "convolution 3-D": (lambda: nn.Conv3d(2, 3, 2), (B, 2, 3, 4, 3)),
    "convolution to the same size": (lambda: nn.Conv2d(2, 3, (3, 5), padding="same"), (B, 2, 6, 6)),
    "convolution without padding": (lambda: nn.Conv1d(2, 3, 3, padding="valid"), (B, 2, 6)),
    "convolution with more weights than pixels": (lambda: nn.Conv2d(8, 16, 3), (B, 8, 3, 3)),
    "frozen convolution": (lambda: frozen(nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Conv1d(3, 2, 2))), (B, 2, 5)),
    "a layer that is not used": (lambda: Unused(), (B, 6)),
}
FALLBACK: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "tied": (Tied, (B, 6)),
    "parameter of its own": (OwnParameter, (B, 6)),
    "padded in a circle": (lambda: nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), (B, 2, 5)),
    "padded on one side more": (lambda: nn.Conv1d(2, 3, 2, padding="same"), (B, 2, 5)),
    "transposed convolution": (lambda: nn.ConvTranspose1d(2, 3, 2), (B, 2, 5)),
    "positions": (Positions, (B, 3, 4)),
    "transformer block": (Block, (B, 3, 4)),
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
    "centred over the batch": (Centred, (B, 6)),
    "gradients across the batch": (Leaking, (B, 6)),
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
    assert choose_route(model, Squares(), batch).rest == ()
    assert_same(clipped_sum(model, Squares(), batch, 0.1), naive_sum(model, Squares(), batch, 0.1))


@pytest.mark.parametrize("name", list(RULED))
def test_a_model_of_ruled_layers_takes_the_rules(name: str) -> None:
    make, shape = RULED[name]
    assert choose_route(flat(make), Squares(), records(shape)).rest == ()


# By model: the parameters that the rules would get wrong. The others keep their rules.
REST = {
    "tied": {"up.weight", "up.bias", "down.bias"},
    "parameter of its own": {"scale"},
    "padded in a circle": {"weight", "bias"},
    "padded on one side more": {"weight", "bias"},
    "transposed convolution": {"weight", "bias"},
    "positions": {"places.weight"},
    "transformer block": {f"block.self_attn.{kind}proj{part}" for kind, part in
                          (("in_", "_weight"), ("in_", "_bias"), ("out_", ".weight"), ("out_", ".bias"))},
    "gru": {f"cell.{kind}_{part}_l0" for kind in ("weight", "bias") for part in ("ih", "hh")},
    "lstm": {f"cell.{kind}_{part}_l0" for kind in ("weight", "bias") for part in ("ih", "hh")},
    "attention": {f"attend.{kind}proj{part}" for kind, part in
                  (("in_", "_weight"), ("in_", "_bias"), ("out_", ".weight"), ("out_", ".bias"))},
    "weight norm": {"0.bias", "0.parametrizations.weight.original0", "0.parametrizations.weight.original1"},
    "branch by value": {"scale", "layer.weight", "layer.bias"},
    "reused": {"step.weight", "step.bias"},
    "weight used by hand": {"layer.weight", "layer.bias"},
    "time first": {"layer.weight", "layer.bias"},
    "overwritten in place": {"first.weight", "first.bias"},
    "centred over the batch": {"layer.weight", "layer.bias"},
    "gradients across the batch": {"layer.weight", "layer.bias"},
    "relu in place": {"0.weight", "0.bias"},
}  # fmt: skip


@pytest.mark.parametrize("name", list(REST))
def test_what_the_rules_would_get_wrong_does_not_take_them(name: str) -> None:
    make, shape = (FALLBACK | VOID)[name]
    model = flat(make)
    rest = choose_route(model, Squares(), records(shape)).rest
    assert {model.slots[slot].name for slot in rest} == REST[name]


def test_every_model_that_the_rules_would_get_wrong_is_listed() -> None:
    assert REST.keys() == (FALLBACK | VOID).keys()


def test_a_model_that_draws_random_numbers_takes_the_rules_for_all_or_for_none() -> None:
    model, batch = flat(Dropping), records((B, 6))
    assert choose_route(model, Squares(), batch) == without_rules(model)
    model.module.scale.requires_grad_(False)
    model = FlatModel(model.module)
    assert choose_route(model, Squares(), batch).rest == ()
    model.module.eval()
    model.module.scale.requires_grad_(True)
    model = FlatModel(model.module)
    assert choose_route(model, Squares(), batch).layers != ()


@pytest.mark.parametrize(
    "name",
    [*(name for name in VOID if name[:7] not in ("time fi", "centred", "gradien")), "time first, fewer than records"],
)
def test_a_batch_that_breaks_the_rules_falls_back_although_the_route_said_rules(name: str) -> None:
    make, shape = (VOID | {"time first, fewer than records": (TimeFirst, (B, 3, 4))})[name]
    model, batch = flat(make), records(shape)
    found = clipped_sum(model, Squares(), batch, 0.3, route=Route(ruled_layers(model), (), 100))
    assert_same(found, naive_sum(model, Squares(), batch, 0.3))


@pytest.mark.parametrize("positions", [2, 3])
def test_a_turned_batch_is_noticed_although_no_gradient_shows_it(positions: int) -> None:
    model, batch = flat(TimeFirst), records((B, positions, 4))
    assert choose_route(model, Nothing(), batch) == without_rules(model)


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
    assert choose_route(model, task, batch).rest == ()
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


class Steep:
    """A loss that is finite while its gradient is NaN for the records marked."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        losses = Squares().loss(model, batch)
        return losses + torch.sqrt(0 * losses + 1 - batch["steep"])


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("name", ["mlp", "norm", "convolution"])
def test_a_record_whose_gradient_alone_is_not_finite_adds_nothing(name: str, by_layer: bool) -> None:
    make, shape = RULED[name]
    model, batch = flat(make), records(shape) | {"steep": torch.zeros(B)}
    route = choose_route(model, Steep(), batch)
    batch["steep"][4] = 1.0
    rest = {key: value[[0, 1, 2, 3, 5, 6]] for key, value in batch.items()}
    found, expected = (clipped_sum(model, Steep(), some, 0.3, route=route, by_layer=by_layer) for some in (batch, rest))
    assert found.isfinite().all()
    assert_same(found, expected.double())


def test_weights_that_are_not_finite_give_zeros() -> None:
    model = flat(RULED["mlp"][0])
    model.vector.fill_(float("nan"))
    assert torch.equal(clipped_sum(model, Squares(), records((B, 6)), 1.0), torch.zeros(model.trainable.numel()))


@pytest.mark.parametrize("name", ["mlp", "norm", "3-D, few positions", "convolution"])
def test_microbatches_do_not_change_the_sum(name: str) -> None:
    make, shape = (RULED | FALLBACK)[name]
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        model, batch = flat(make, dtype), records((50, *shape[1:]), dtype)
        route = choose_route(model, Squares(), batch)
        whole = clipped_sum(model, Squares(), batch, 0.3, route=replace(route, microbatch=50)).double()
        for size in (1, 7, 49):
            found = clipped_sum(model, Squares(), batch, 0.3, route=replace(route, microbatch=size))
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
    assert 2 < max(seen) <= largest and sum(seen) == drawn + 2 + 3 + 3


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
