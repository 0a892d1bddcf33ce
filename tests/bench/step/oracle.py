"""Clipped sums beside Opacus' grad-sample mode on thirty random models: the largest relative difference."""

from __future__ import annotations

import torch
from opacus.grad_sample.utils import wrap_model
from opacus.optimizers import DPOptimizer
from support.random_models import Squares, random_model

from ringfence.training import FlatModel, clipped_sum

MODELS, SIZES = 30, (16, 1)
CLIPS = (0.1, 1.0, 10.0)


def theirs(seed: int, records: int, clip: float) -> torch.Tensor:
    """[T]: what Opacus' optimizer sums before its noise."""
    _, module, batch = random_model(seed, records)
    model = wrap_model(module, grad_sample_mode="hooks", batch_first=True, loss_reduction="sum")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = DPOptimizer(
        torch.optim.SGD(weights, lr=1.0), noise_multiplier=0.0, max_grad_norm=clip, expected_batch_size=records,
        loss_reduction="sum",
    )  # fmt: skip
    Squares().loss(model, batch).sum().backward()
    optimizer.clip_and_accumulate()
    return torch.cat([weight.summed_grad.flatten() for weight in weights])


def ours(seed: int, records: int, clip: float) -> torch.Tensor:
    _, module, batch = random_model(seed, records)
    return clipped_sum(FlatModel(module), Squares(), batch, clip)


def differences() -> dict[str, float]:
    """By model, the larger of the relative differences in a batch of 16 and of one."""
    found = {}
    for seed in range(MODELS):
        clip, off = CLIPS[seed % 3], []
        for records in SIZES:
            expected, sums = theirs(seed, records, clip).double(), ours(seed, records, clip).double()
            off.append(float((sums - expected).norm() / expected.norm().clamp(min=1e-9)))
        found[random_model(seed, 1)[0]] = max(off)
    return found
