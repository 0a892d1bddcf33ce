"""A silo with many users: `OMP_NUM_THREADS=1 python tests/bench/users/bench_many.py`.

1,000, 10,000 and 100,000 users with 1 to 60 rows of 32 numbers each (a third of them with one row only), of whom 50 are
expected in a private round: one pass in batches of 10, a network 32-64-10, clip and noise. Rounds of the three silos
take turns; a figure is the median over turns of the ratio to the round with 1,000 users of the same turn, by processor
time. "grouping" is what finds a silo's users in its rows once, when its shards are opened.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.training import FlatModel, PrivateStep
from ringfence.training.userplan import UserPlan, group_users
from ringfence.training.users import UserData, train_users

COHORT, WIDTH = 50, 32


class Classes:
    def loss(self, model: nn.Module, batch) -> Tensor:
        return functional.cross_entropy(model(batch["x"]), batch["y"], reduction="none")


def silo(users: int) -> tuple[UserData, float]:
    """Its rows, users mixed, brought together; and the seconds that this took."""
    draw = np.random.default_rng(0)
    sizes = np.where(draw.random(users) < 1 / 3, 1, draw.integers(1, 61, users))
    codes = draw.permutation(np.repeat(np.arange(users), sizes))
    torch.manual_seed(0)
    x, y = torch.randn(len(codes), WIDTH), torch.randint(10, (len(codes),))
    begun = time.process_time()
    order, rows = group_users(codes, users)
    index = torch.from_numpy(order)
    return UserData({"x": x[index], "y": y[index]}, rows), time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = FlatModel(nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 10)))
    silos = {users: silo(users) for users in options.users}
    turns = np.empty((options.rounds + 1, len(silos)))
    for turn in range(len(turns)):
        for place, (users, (data, _)) in enumerate(silos.items()):
            plan = UserPlan(COHORT, Fraction(1), 10, 0.1, private=PrivateStep(1.0, Fraction(COHORT, users), 1.0))
            begun = time.process_time()
            train_users(Classes(), model, data, plan, 1)
            turns[turn, place] = time.process_time() - begun
    ratios = np.median(turns[1:] / turns[1:, :1], axis=0)
    for ratio, (users, (data, grouping)) in zip(ratios, silos.items(), strict=True):
        rows = len(data.records["y"])
        print(f"{users:7} users, {rows:8} rows: {ratio:.2f}x a round of the first, grouping {grouping:.2f} s")


if __name__ == "__main__":
    main()
