"""The clip factor of an example (Abadi et al. 2016, arXiv:1607.00133), safe for examples that are not finite."""

from __future__ import annotations

import torch
from torch import Tensor


def clip_factors(squared_norms: Tensor, losses: Tensor, max_norm: float) -> Tensor:
    """min(1, C/|g_i|) [B] from |g_i|^2 [B]; exactly 0 where the norm or the loss is infinite or NaN.

    The same operations run whatever the values are. A zero gradient has factor 1.
    """
    norms = squared_norms.sqrt()
    counted = norms.isfinite() & losses.isfinite()
    return torch.where(counted, (max_norm / norms).clamp(max=1.0), 0.0)
