"""What a private step costs beside a plain one: `PYTHONPATH=tests python -m bench.step.tabular`.

An MLP (64, 32) on 20 numbers and two embedded categories, 110,000 records, expected batch 1024. Four runs of the same
number of steps, one after another in every round; the least CPU time of each over the rounds counts. "bare" is the
shortest PyTorch loop (shuffle, gather, backward, torch.optim.SGD); "step" leaves out the secret sample and the noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction

import torch

from ringfence.tasks import TabularClassifier
from ringfence.tasks.nets import TabularNet
from ringfence.training import FlatModel, LocalPlan, PrivateStep, clipped_sum, train_local
from ringfence.training.route import choose_route

RECORDS, BATCH = 110_000, 1024


def records() -> dict[str, torch.Tensor]:
    codes = torch.stack([torch.randint(16, (RECORDS,)), torch.randint(100, (RECORDS,))], dim=1)
    return {"numbers": torch.rand(RECORDS, 20) * 2 - 1, "codes": codes, "target": (torch.rand(RECORDS) < 0.3).float()}


def network() -> TabularNet:
    return TabularNet(20, [16, 100], [64, 32], 8)


def bare(task: TabularClassifier, data: dict[str, torch.Tensor], steps: int) -> Callable[[], None]:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def run() -> None:
        order = torch.randperm(RECORDS)
        for index in order.split(BATCH)[:steps]:
            optimizer.zero_grad()
            task.loss(model, {name: tensor[index] for name, tensor in data.items()}).mean().backward()
            optimizer.step()

    return run


def ours(task: TabularClassifier, data: dict[str, torch.Tensor], plan: LocalPlan) -> Callable[[], None]:
    model = FlatModel(network())
    return lambda: train_local(task, model, data, plan)


def clipped(task: TabularClassifier, data: dict[str, torch.Tensor], steps: int) -> Callable[[], None]:
    model = FlatModel(network())
    route = choose_route(model, task, data)

    def run() -> None:
        order = torch.randperm(RECORDS)
        for index in order.split(BATCH)[:steps]:
            batch = {name: tensor[index] for name, tensor in data.items()}
            model.trainable.add_(clipped_sum(model, task, batch, 1.0, route=route), alpha=-0.1 / BATCH)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=107)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task, data, steps = TabularClassifier(), records(), options.steps
    private = PrivateStep(1.0, Fraction(BATCH, RECORDS), 1.0)
    runs = {
        "bare": bare(task, data, steps),
        "plain": ours(task, data, LocalPlan(steps, BATCH, 0.1, seed=0)),
        "step": clipped(task, data, steps),
        "private": ours(task, data, LocalPlan(steps, BATCH, 0.1, private=private)),
    }
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(options.rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    for name, seconds in best.items():
        print(f"{name:8} {seconds / steps * 1e3:7.3f} ms a step  {seconds / best['bare']:5.2f}x bare")
    print(f"a private epoch of {RECORDS} records: {best['private'] / steps * RECORDS / BATCH:.3f} s")


if __name__ == "__main__":
    main()
