"""The clip factor of an example (Abadi et al. 2016, arXiv:1607.00133), safe for examples that are not finite."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ringfence.training.rules.rule import Factors


def clip_factors(squares: Tensor, losses: Tensor, max_norm: float, held: int = 1) -> list[Factors]:
    """min(1, C_k/|g_ik|) from |g_ik|^2 [K, B] and losses [n, B].

    Each of the K parts of a gradient is clipped by itself, to C_k = C/sqrt(K), so that the whole of an example is at
    most C; K = 1 clips the gradient as one. Exactly 0 for all parts of an example with an infinite or NaN norm or loss.
    The same operations run whatever the values are. A zero gradient has factor 1.
    """
    norms = squares.sqrt()
    counted = norms.isfinite().all(0) & losses.isfinite().all(0)
    broken = counted.logical_not().nonzero().flatten()
    factors = torch.where(counted, (max_norm / math.sqrt(len(squares)) / norms).clamp(max=1.0), 0.0)
    return [Factors(values, broken, held) for values in factors]
