"""Per-example gradient norms and clipped sums from activations and output gradients, one rule a kind of layer.

A layer with input a and output gradient g of one example has a weight gradient that is a sum of outer products over
its positions t. Its norm follows without a backward pass of its own (Goodfellow 2015, arXiv:1510.01799; Li et al. 2021,
arXiv:2110.05679), and the sum over examples of factor times gradient is one matrix product (book-keeping: Bu et al.
2022, arXiv:2210.00038). Each rule takes the cheapest form for the shapes it meets.

Shapes: B examples, T positions, D inputs, P outputs, V embedding rows, C channels, K the size of a kernel. An example
of factor 0 adds exactly 0, whatever it holds.
"""

from __future__ import annotations

from torch import nn

from ringfence.training.rules.convolution import CONVOLUTION
from ringfence.training.rules.embedding import EMBEDDING
from ringfence.training.rules.linear import LINEAR
from ringfence.training.rules.norms import GROUP_NORM, LAYER_NORM, RMS_NORM
from ringfence.training.rules.rule import Rule

RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: LINEAR,
    nn.Conv1d: CONVOLUTION,
    nn.Conv2d: CONVOLUTION,
    nn.Conv3d: CONVOLUTION,
    nn.Embedding: EMBEDDING,
    nn.LayerNorm: LAYER_NORM,
    nn.GroupNorm: GROUP_NORM,
    nn.RMSNorm: RMS_NORM,
}


def rule_of(module: nn.Module) -> Rule | None:
    """The rule for what the layer computes; None for a subclass, a patched or a parametrized layer, or another kind."""
    rule = RULES.get(type(module))
    if rule is None or "forward" in module.__dict__ or any(True for _ in module.children()):
        return None
    return rule if rule.covers(module) else None
