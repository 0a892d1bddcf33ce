"""One frozen layer of a BERT encoder, with room for what adapters add to its queries and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn import functional

Weights: TypeAlias = Mapping[str, Tensor]

_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "merge": "attention.output.dense",
    "first": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "second": "output.LayerNorm",
}


class FrozenLayer(nn.Module):
    """States [B, T, H] -> [B, T, H]: attention and a perceptron, each added to its input and normalised.

    The weights are buffers that are not saved: they neither train, nor travel, nor stand in a model's file.
    """

    def __init__(self, weights: Weights, number: int, heads: int, epsilon: float) -> None:
        """Layer `number` of an encoder's `weights`. Raises KeyError for one that is not there."""
        super().__init__()
        self.heads, self.epsilon = heads, epsilon
        for name, path in _PARTS.items():
            for kind in ("weight", "bias"):
                self.register_buffer(
                    f"{name}_{kind}", weights[f"encoder.layer.{number}.{path}.{kind}"], persistent=False
                )

    def forward(self, x: Tensor, present: Tensor, query: Tensor | None = None, value: Tensor | None = None) -> Tensor:
        """`present` bool [B, T] is true where a token stands; `query`, `value` [B, T, H] are added to the layer's."""
        projected = {name: self._linear(name, x) for name in ("query", "key", "value")}
        for name, extra in (("query", query), ("value", value)):
            projected[name] = projected[name] if extra is None else projected[name] + extra
        apart = (*x.shape[:2], self.heads, -1)
        q, k, v = (part.view(apart).transpose(1, 2) for part in projected.values())
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=present[:, None, None, :])
        x = self._norm("first", x + self._linear("merge", attended.transpose(1, 2).flatten(2)))
        return self._norm("second", x + self._linear("narrow", functional.gelu(self._linear("widen", x))))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        scale, shift = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return functional.layer_norm(x, scale.shape, scale, shift, self.epsilon)
