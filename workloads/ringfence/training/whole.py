"""The clip of unit Silo: a silo's whole change of the model in a round.

One silo more or less then moves the sum over silos by at most C, whatever its rows and its training did. The noise is
the coordinator's (`federation.central`), who alone sees the clipped change.
"""

from __future__ import annotations

import torch
from torch import Tensor


def clipped(change: Tensor, max_grad_norm: float) -> Tensor:
    """change min(1, C / |change|) [P], the norm in float64; exactly 0 where it is not finite."""
    norm = torch.linalg.vector_norm(change, dtype=torch.float64).item()
    if not norm < float("inf"):
        return torch.zeros_like(change)
    return change * (max_grad_norm / norm) if norm > max_grad_norm else change
