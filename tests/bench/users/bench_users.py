"""Rounds of 50 users out of 1,000 beside the bare loop: `OMP_NUM_THREADS=1 python tests/bench/users/bench_users.py`.

1,000 users hold 50 samples of 3x32x32 each (class means 0.5 times standard normal, plus standard normal noise, labels
uniform). A round: 50 users, one pass in batches of 10 in stored order (5 steps), cross-entropy, SGD with rate 0.1,
the uniform average. "bare" is the shortest PyTorch loop on one thread: restore the round's weights in place, 5 steps of
w -= 0.1 gradient, add the weights to one sum. "plain" is ours without privacy, "private" with clipping and noise.

Runs are interleaved round by round; the least time of each counts, after one round that does not. Every figure is a
ratio to the bare loop in the same minutes, of wall clock and of processor time of the whole process: on a machine that
is busy with other things the second one, with one thread, is the one to trust. With `--pfl PYTHON` (an interpreter with
pfl 0.6, torch and numpy) the same rounds run there too, between two measurements of the bare loop.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ringfence.training import FlatModel, PrivateStep
from ringfence.training.userplan import UserPlan, UserRows
from ringfence.training.users import UserData, train_users

USERS, SAMPLES, COHORT, BATCH, RATE = 1000, 50, 50, 10, 0.1

MODELS: dict[str, Callable[[], nn.Module]] = {
    "lin": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 512), nn.ReLU(), nn.Linear(512, 10)),
    "cnn": lambda: nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(12544, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    ),
}


class Classes:
    def loss(self, model: nn.Module, batch) -> torch.Tensor:
        return functional.cross_entropy(model(batch["x"]), batch["y"], reduction="none")


def samples() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    means = 0.5 * torch.randn(10, 3, 32, 32)
    y = torch.randint(10, (USERS * SAMPLES,))
    x = torch.randn(USERS * SAMPLES, 3, 32, 32)
    for label in range(10):
        x[y == label] += means[label]
    return {"x": x, "y": y}


def bare(module: nn.Module, data: dict[str, torch.Tensor]) -> Callable[[], None]:
    parameters = list(module.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    draw = np.random.default_rng(0)

    def run() -> None:
        starts = [parameter.detach().clone() for parameter in parameters]
        for one in sums:
            one.zero_()
        for user in draw.choice(USERS, COHORT, replace=False):
            with torch.no_grad():
                for parameter, start in zip(parameters, starts, strict=True):
                    parameter.copy_(start)
            for at in range(user * SAMPLES, (user + 1) * SAMPLES, BATCH):
                loss = functional.cross_entropy(module(data["x"][at : at + BATCH]), data["y"][at : at + BATCH])
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for parameter, gradient in zip(parameters, gradients, strict=True):
                        parameter.sub_(gradient, alpha=RATE)
            for one, parameter in zip(sums, parameters, strict=True):
                one.add_(parameter.detach())
        with torch.no_grad():
            for one, parameter in zip(sums, parameters, strict=True):
                parameter.copy_(one / COHORT)

    return run


def ours(module: nn.Module, data: dict[str, torch.Tensor], private: bool, workers: int) -> Callable[[], None]:
    model = FlatModel(module)
    rows = UserRows(np.arange(0, USERS * SAMPLES + 1, SAMPLES))
    step = PrivateStep(1.0, Fraction(COHORT, USERS), 1.0) if private else None
    plan = UserPlan(COHORT, Fraction(1), BATCH, RATE, private=step, seed=None if private else 0)
    return lambda: train_users(Classes(), model, UserData(data, rows), plan, workers)


def measure(name: str, data: dict[str, torch.Tensor], rounds: int) -> dict[str, tuple[float, float]]:
    """Least seconds of a round for each way, by the wall and by the processor."""
    torch.manual_seed(0)
    runs = {"bare": bare(MODELS[name](), data)}
    for workers in (1, 2):
        runs[f"plain, {workers} threads"] = ours(MODELS[name](), data, False, workers)
        runs[f"private, {workers} threads"] = ours(MODELS[name](), data, True, workers)
    best = dict.fromkeys(runs, (math.inf, math.inf))
    for number in range(rounds + 1):
        for way, run in runs.items():
            gc.collect()
            wall, processor = time.perf_counter(), time.process_time()
            run()
            spent = time.perf_counter() - wall, time.process_time() - processor
            if number:
                best[way] = min(best[way][0], spent[0]), min(best[way][1], spent[1])
    return best


def pfl(python: str, name: str, rounds: int) -> float:
    """Least seconds of a round in pfl, by the wall."""
    script = Path(__file__).with_name("pfl_rounds.py")
    path = os.pathsep.join([str(Path(__file__).parents[3] / "workloads"), os.environ.get("PYTHONPATH", "")])
    command = [python, str(script), name, str(rounds)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True, text=True)
    return min(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--pfl", metavar="PYTHON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = samples()
    for name in options.models:
        best = measure(name, data, options.rounds)
        wall, processor = best["bare"]
        for way, (seconds, worked) in best.items():
            print(
                f"{name}  {way:20} {seconds:8.4f} s  {seconds / wall:5.2f}x wall  {worked / processor:5.2f}x processor"
            )
        if options.pfl:
            seconds = pfl(options.pfl, name, options.rounds)
            print(f"{name}  {'pfl, 1 process':20} {seconds:8.4f} s  {seconds / wall:5.2f}x wall")


if __name__ == "__main__":
    main()
