"""One training step by each engine: the plain loop, ours as `train_local` runs it, and Opacus' three modes.

Every private step clips each record to norm 1, adds noise of multiplier 1 and moves the weights. Ours draws the noise
from AES-256-CTR, Opacus from PyTorch's generator (its default; its secure mode draws four times as many).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from bench.step.workloads import Batch, Classes, Workload
from torch import nn

from ringfence.training import FlatModel, LocalPlan, PrivateStep, clipped_sum, train_local
from ringfence.training.route import choose_route

RATE, TASK = 0.01, Classes()
Steps = Callable[[int], None]


def bare(workload: Workload, data: Batch) -> Steps:
    """The shortest loop: gather a shuffled batch, backward, torch.optim.SGD."""
    model = workload.make()
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=RATE)

    def run(steps: int) -> None:
        for _ in range(steps):
            batch = _shuffled(data, workload.size)
            optimizer.zero_grad()
            TASK.loss(model, batch).mean().backward()
            optimizer.step()

    return run


def ours(workload: Workload, data: Batch) -> Steps:
    """`train_local` with every record in every batch, so that all engines see as many."""
    model = FlatModel(workload.make())
    private = PrivateStep(1.0, Fraction(1), 1.0)
    return lambda steps: train_local(TASK, model, data, LocalPlan(steps, workload.size, RATE, private=private))


def clipped(workload: Workload, data: Batch) -> Steps:
    """Ours without noise: the clipped sum and the step."""
    model = FlatModel(workload.make())
    route = choose_route(model, TASK, data)

    def run(steps: int) -> None:
        for _ in range(steps):
            total = clipped_sum(model, TASK, _shuffled(data, workload.size), 1.0, route=route)
            model.trainable.add_(total, alpha=-RATE / workload.size)

    return run


def opacus(mode: str) -> Callable[[Workload, Batch], Steps]:
    def build(workload: Workload, data: Batch) -> Steps:
        from opacus.grad_sample.utils import wrap_model  # a bench's own environment has it
        from opacus.optimizers import DPOptimizer
        from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        settings = {"max_grad_norm": 1.0} if mode == "ghost" else {}
        model = wrap_model(workload.make(), grad_sample_mode=mode, batch_first=True, loss_reduction="mean", **settings)
        plain = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=RATE)
        kind = DPOptimizerFastGradientClipping if mode == "ghost" else DPOptimizer
        optimizer = kind(plain, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=workload.size)
        criterion = DPLossFastGradientClipping(model, optimizer, _Given(), "mean") if mode == "ghost" else None

        def run(steps: int) -> None:
            for _ in range(steps):
                batch = _shuffled(data, workload.size)
                optimizer.zero_grad()
                losses = TASK.loss(model, batch)
                loss = losses.mean() if criterion is None else criterion(losses, losses)
                loss.backward()
                optimizer.step()

        return run

    return build


class _Given(nn.Module):
    """The losses as they are, in the form that ghost clipping asks for."""

    reduction = "mean"

    def forward(self, losses: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return losses


def _shuffled(data: Batch, size: int) -> Batch:
    order = torch.randperm(size)
    return {name: tensor[order] for name, tensor in data.items()}


ENGINES: dict[str, Callable[[Workload, Batch], Steps]] = {
    "bare": bare,
    "ours": ours,
    "clipped": clipped,
    "hooks": opacus("hooks"),
    "ew": opacus("ew"),
    "ghost": opacus("ghost"),
}
