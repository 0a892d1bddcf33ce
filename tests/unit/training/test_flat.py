"""A model is one vector: round trips are exact, and what cannot be one is refused by name."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import nn

from ringfence.errors import InvalidInput, InvalidTask
from ringfence.training import FlatModel


def small() -> FlatModel:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].weight.requires_grad_(False)
    return FlatModel(model)


def test_parameters_are_views_of_the_vector_trainable_ones_first() -> None:
    model = small()
    assert [slot.name for slot in model.slots] == ["0.bias", "2.weight", "2.bias", "0.weight"]
    assert [slot.offset for slot in model.slots] == [0, 4, 8, 9]
    assert model.vector.shape == (21,) and model.trainable.shape == (9,)
    model.vector.copy_(torch.arange(21.0))
    assert torch.equal(model.module[0].weight, torch.arange(9.0, 21.0).view(4, 3))
    assert torch.equal(model.module[2].bias, torch.tensor([8.0]))


def test_packing_keeps_every_weight() -> None:
    torch.manual_seed(3)
    plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    x = torch.randn(5, 3)
    assert torch.equal(small().module(x), plain(x))


def test_a_copy_loads_back_and_is_not_shared() -> None:
    model = small()
    copy = model.copy()
    model.vector.zero_()
    assert copy.abs().sum() > 0
    model.load(copy)
    assert torch.equal(model.vector, copy)


@pytest.mark.parametrize("wrong", [torch.zeros(20), torch.zeros(21, dtype=torch.float64), torch.zeros(21, 1)])
def test_a_vector_of_another_model_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(InvalidInput, match=r"^model vector: .* is not the model's \(21,\) torch.float32$"):
        small().load(wrong)


def test_safetensors_round_trip_to_the_bit() -> None:
    model, other = small(), small()
    data = model.to_bytes()
    assert torch.equal(load_safetensors(data)["0.weight"], model.module[0].weight)
    other.vector.zero_()
    other.load_bytes(data)
    assert torch.equal(other.vector, model.vector)
    assert other.to_bytes() == data


def test_a_shared_weight_stands_once() -> None:
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    model = FlatModel(tied)
    assert model.vector.numel() == 9
    assert tied[1].weight is tied[0].weight


def damaged() -> dict[str, bytes]:
    good = {name: tensor.clone() for name, tensor in load_safetensors(small().to_bytes()).items()}
    without = {name: tensor for name, tensor in good.items() if name != "2.bias"}
    return {
        "not a safetensors file": b"\x00" * 40,
        "2.bias: the file has no such parameter": save_safetensors(without),
        "spare: .* the model none": save_safetensors(good | {"spare": torch.zeros(1)}),
        "2.bias: .*(2,)": save_safetensors(good | {"2.bias": torch.zeros(2)}),
        "2.bias: is torch.float64, not torch.float32": save_safetensors(good | {"2.bias": torch.zeros(1).double()}),
    }


@pytest.mark.parametrize("message", list(damaged()))
def test_a_file_of_another_model_is_refused_and_changes_nothing(message: str) -> None:
    model = small()
    before = model.copy()
    with pytest.raises(InvalidInput, match=message):
        model.load_bytes(damaged()[message])
    assert torch.equal(model.vector, before)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.register_buffer("seen", torch.zeros(1))


def cast(dtype: torch.dtype) -> nn.Module:
    return nn.Linear(2, 1, dtype=dtype)


REFUSED = {
    "layer 1: BatchNorm1d mixes the records of a batch.*; use GroupNorm or LayerNorm": lambda: nn.Sequential(
        nn.Linear(2, 2), nn.BatchNorm1d(2)
    ),
    "layer model: BatchNorm2d mixes": lambda: nn.BatchNorm2d(2, track_running_stats=False),
    "layer model: Counting keeps the buffer seen; .*persistent=False": Counting,
    "layer 0: Embedding with max_norm": lambda: nn.Sequential(nn.Embedding(3, 2, max_norm=1.0)),
    "layer 0: EmbeddingBag with max_norm .* sparse": lambda: nn.Sequential(nn.EmbeddingBag(3, 2, sparse=True)),
    "parameter weight: is torch.float64, and models are trained in torch.float32": lambda: cast(torch.float64),
    "parameter weight: is torch.complex64": lambda: cast(torch.complex64),
    "parameter weight: its shape is not known": lambda: nn.LazyLinear(2),
    "model: the model has no parameter to train": lambda: nn.Linear(2, 1).requires_grad_(False),
}


@pytest.mark.parametrize("message", list(REFUSED))
def test_a_model_that_is_not_one_trainable_vector_is_refused(message: str) -> None:
    with pytest.raises(InvalidTask, match="^" + message):
        FlatModel(REFUSED[message]())


def test_a_buffer_that_the_constructor_makes_is_allowed() -> None:
    model = nn.Linear(2, 1)
    model.register_buffer("positions", torch.arange(2.0), persistent=False)
    assert FlatModel(model).vector.numel() == 3
