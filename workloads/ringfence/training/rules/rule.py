"""What a rule is, and the arithmetic that rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Factors(NamedTuple):
    """The clip factors [B] of the examples, and the index of those whose factor is 0 because they are not finite.

    `held` is 1 where the sum already holds other examples, and 0 where nothing has been written yet: then what lies
    there is no number that counts, and is not read.
    """

    values: Tensor
    broken: Tensor
    held: int = 1


Adder = Callable[[Factors, Tensor | None, Tensor | None], None]


@dataclass(frozen=True)
class Terms:
    """What one call of a layer contributes: |gradient|^2 [B] over its trainable parameters, and how to sum.

    `add(factors, weight, bias)` adds the factor-weighted sum of gradients to the parameters' places in the flat sum, or
    writes it there when `factors.held` is 0.
    `kept` counts the elements that are held between the two beside input and output.
    """

    squares: Tensor
    add: Adder
    kept: int = 0


@dataclass(frozen=True)
class Rule:
    """A kind of layer: which modules of its class it covers, z = forward(module, a, weight, bias), and its terms.

    `terms(module, a, g)` takes input a and output gradient g [B, ...], both in the dtype of the sum (indices apart).
    """

    forward: Callable[[nn.Module, Tensor, Tensor | None, Tensor | None], Tensor]
    terms: Callable[[nn.Module, Tensor, Tensor], Terms]
    covers: Callable[[nn.Module], bool] = lambda module: True


def formed(
    layer: nn.Module, weights: Tensor | None, biases: Tensor | None, weight_squares: Tensor | None = None
) -> Terms:
    """The terms of per-example gradients [B, ...] that were formed outright: contracted with the factors."""
    held = {
        name: rows.flatten(1)
        for name, rows in (("weight", weights), ("bias", biases))
        if rows is not None and trains(layer, name)
    }

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        for name, place in (("weight", weight), ("bias", bias)):
            if name in held:
                contract(held[name], factors, place)

    squares = [
        weight_squares if weight_squares is not None and name == "weight" else row_squares(rows)
        for name, rows in held.items()
    ]
    return Terms(torch.stack(squares).sum(0), add, sum(rows.numel() for rows in held.values()))


def contract(rows: Tensor, factors: Factors, place: Tensor | None) -> None:
    """place += sum_i factor_i row_i for rows [B, N], whose broken ones are zeroed in place; `place` has N elements."""
    if place is not None:
        rows.index_fill_(0, factors.broken, 0.0)
        place.view(-1).addmv_(rows.T, factors.values, beta=factors.held)


def ready(place: Tensor, factors: Factors) -> Tensor:
    """The place in the sum, to be added to."""
    return place if factors.held else place.zero_()


def trains(layer: nn.Module, name: str) -> bool:
    """Whether the layer has a parameter `name` that is not frozen."""
    parameter = layer._parameters.get(name)
    return parameter is not None and parameter.requires_grad


def row_squares(rows: Tensor) -> Tensor:
    """|row|^2 [B] of rows [B, D]."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms.square_()


def finite(values: Tensor) -> Tensor:
    """The values with NaN and infinities at 0, because 0 * inf in a matrix product is NaN."""
    return values.nan_to_num(0.0, 0.0, 0.0)


def scaled(g: Tensor, factors: Factors) -> Tensor:
    """g_i times factor_i for g [B, ...]; 0 for broken examples."""
    return finite(g) * factors.values.view(-1, *[1] * (g.dim() - 1))


def pieces(examples: int, size: int) -> Iterator[slice]:
    """All examples, `size` at a time."""
    for start in range(0, examples, size):
        yield slice(start, start + size)


def worth_keeping(gradient: int, activations: int) -> bool:
    """Whether one example's gradient is small enough beside its activations to be held until the factors are known.

    Then the layer's part of the sum is one contraction and no second matrix product.
    """
    return gradient <= 4 * activations
