"""A model as one contiguous vector.

P counts all parameters and T the trainable ones. The vector [P] holds the trainable parameters first, in the model's
own order, then the frozen ones (`requires_grad=False`), which travel with the model and never change. Every parameter
of the model is a view of the vector, so an update of the vector is an update of the model. Parameters that several
layers share stand once, under their first name. Persistent buffers are refused (`accepted.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors
from torch import Tensor, nn

from ringfence.errors import InvalidInput
from ringfence.training.accepted import check_model


@dataclass(frozen=True)
class Slot:
    """Where one parameter lies: `vector[offset : offset + size]`, of this shape."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int
    trainable: bool

    def of(self, vector: Tensor) -> Tensor:
        """The view of a vector [T] or [P] that belongs to this parameter."""
        return vector[self.offset : self.offset + self.size].view(self.shape)


class FlatModel:
    """`module` with its parameters packed into `vector` [P]; it stays usable as before.

    Raises InvalidTask for a model that cannot be trained (`accepted.check_model`): BatchNorm, persistent buffers,
    parameters that are not `dtype`. float32 is what is trained and sent; float64 is for comparisons.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        check_model(module, dtype)
        self.module = module
        parameters = sorted(module.named_parameters(), key=lambda item: not item[1].requires_grad)
        self.slots = _layout(parameters)
        self.vector = torch.cat([parameter.detach().reshape(-1) for _, parameter in parameters])
        for slot, (_, parameter) in zip(self.slots, parameters, strict=True):
            parameter.data = slot.of(self.vector)
        self.parameters = tuple(parameter for _, parameter in parameters if parameter.requires_grad)
        self.trainable = self.vector[: sum(slot.size for slot in self.slots if slot.trainable)]

    def copy(self) -> Tensor:
        """A copy [P] of the vector."""
        return self.vector.clone()

    def load(self, vector: Tensor) -> None:
        """Copy `vector` [P] into the model. Raises InvalidInput for another length or dtype."""
        if vector.shape != self.vector.shape or vector.dtype != self.vector.dtype:
            raise InvalidInput(
                f"{tuple(vector.shape)} {vector.dtype} is not the model's {tuple(self.vector.shape)} "
                f"{self.vector.dtype}",
                where="model vector",
            )
        self.vector.copy_(vector)

    def to_bytes(self) -> bytes:
        """The safetensors file of all parameters by name; the same parameters give the same bytes."""
        return bytes(save_safetensors({slot.name: slot.of(self.vector).numpy(force=True) for slot in self.slots}))

    def load_bytes(self, data: bytes) -> None:
        """Load a safetensors file of these names, shapes and dtype, or change nothing and raise InvalidInput."""
        try:
            tensors = {name: torch.from_numpy(array) for name, array in load_safetensors(data).items()}
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise InvalidInput("not a safetensors file", where="model") from error
        expected = {slot.name: slot.shape for slot in self.slots}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise InvalidInput(
                    f"the file has {found.get(name, 'no such parameter')}, the model {expected.get(name, 'none')}",
                    where=f"parameter {name}",
                )
            if tensors[name].dtype != self.vector.dtype:
                raise InvalidInput(f"is {tensors[name].dtype}, not {self.vector.dtype}", where=f"parameter {name}")
        for slot in self.slots:
            slot.of(self.vector).copy_(tensors[slot.name])


def _layout(parameters: list[tuple[str, nn.Parameter]]) -> tuple[Slot, ...]:
    slots, offset = [], 0
    for name, parameter in parameters:
        slots.append(Slot(name, tuple(parameter.shape), offset, parameter.numel(), parameter.requires_grad))
        offset += parameter.numel()
    return tuple(slots)
