"""Rounds of 50 users out of 1,000 beside the bare loop: `OMP_NUM_THREADS=1 python tests/bench/users/bench_users.py`.

1,000 users hold 50 samples of 3x32x32 each (class means 0.5 times standard normal, plus standard normal noise, labels
uniform). A round: 50 users, one pass in batches of 10 in stored order (5 steps), cross-entropy, SGD with rate 0.1,
the uniform average. "bare" is the shortest PyTorch loop on one thread: restore the round's weights in place, 5 steps of
w -= 0.1 gradient, add the weights to one sum. "plain" is ours without privacy, "private" with clipping and noise.

Every round of ours follows one of the bare loop at once; the first pair does not count. A figure is the median of the
ratios within the pairs, with the two quartiles, of processor time of the whole process and of wall clock: on a machine
that is busy with other things the first one, with one thread, is the one to trust. With `--pfl PYTHON` (an interpreter
with pfl, torch and numpy) the same rounds run there too; the least processor time of each counts.
"""

from __future__ import annotations

import argparse
import gc
import json
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


def spent(run: Callable[[], None]) -> np.ndarray:
    """Seconds of the processor and by the wall [2]."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return np.array([time.process_time() - processor, time.perf_counter() - wall])


def measure(name: str, data: dict[str, torch.Tensor], rounds: int, threads: list[int]) -> dict[str, np.ndarray]:
    """Ratios to the bare loop's round just before [rounds, 2], and the seconds of the bare loop, for each way."""
    torch.manual_seed(0)
    loop = bare(MODELS[name](), data)
    runs = {
        f"{'private' if private else 'plain'}, {workers} threads": ours(MODELS[name](), data, private, workers)
        for workers in threads
        for private in (False, True)
    }
    pairs: dict[str, list[np.ndarray]] = {"bare": [], **{way: [] for way in runs}}
    for _ in range(rounds + 1):
        for way, run in runs.items():
            first = spent(loop)
            pairs["bare"].append(first)
            pairs[way].append(spent(run) / first)
    return {way: np.array(found[1:]) for way, found in pairs.items()}


def pfl(python: str, name: str, rounds: int) -> float:
    """Least seconds of a round in pfl, of the processor."""
    script = Path(__file__).with_name("pfl_rounds.py")
    path = os.pathsep.join([str(Path(__file__).parents[3] / "workloads"), os.environ.get("PYTHONPATH", "")])
    command = [python, str(script), name, str(rounds)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True, text=True)
    return min(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pfl", metavar="PYTHON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = samples()
    for name in options.models:
        found = measure(name, data, options.rounds, options.threads)
        worked, wall = found.pop("bare").min(0)
        print(f"{name}  bare: at least {worked:.4f} s of the processor, {wall:.4f} s by the wall")
        for way, ratios in found.items():
            (low, median, high), (_, middle, _) = np.quantile(ratios, [0.25, 0.5, 0.75], axis=0).T
            print(f"{name}  {way:20} {median:5.2f}x processor ({low:.2f}-{high:.2f})  {middle:5.2f}x wall")
        if options.pfl:
            seconds = pfl(options.pfl, name, options.rounds)
            print(f"{name}  {'pfl, 1 process':20} {seconds / worked:5.2f}x of the least, processor")


if __name__ == "__main__":
    main()
