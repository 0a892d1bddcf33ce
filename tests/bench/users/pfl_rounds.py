"""The same rounds in pfl 0.6, for an environment that has it: prints the seconds of each round as a JSON list.

`bench_users.py --pfl PYTHON` runs it, interleaved with the other ways: one process, one torch thread.
"""

from __future__ import annotations

import json
import sys
import time

import bench_users as bench
import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel
from torch import nn
from torch.nn import functional


class Wrapped(nn.Module):
    """A model with the loss that pfl asks of it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def loss(self, x: torch.Tensor, y: torch.Tensor, eval: bool = False) -> torch.Tensor:
        self.train(not eval)
        return functional.cross_entropy(self.inner(x), y)

    def metrics(self, x: torch.Tensor, y: torch.Tensor, eval: bool = True) -> dict[str, object]:
        return {}


class Clock(TrainingProcessCallback):
    """Seconds of the processor between central iterations."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.last = time.process_time()

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        now = time.process_time()
        self.seconds.append(now - self.last)
        self.last = now
        return False, Metrics()


def main() -> None:
    name, rounds = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    data = bench.samples()

    def of_user(user: int) -> Dataset:
        rows = slice(user * bench.SAMPLES, (user + 1) * bench.SAMPLES)
        return Dataset((data["x"][rows], data["y"][rows]), user_id=str(user))

    draw = np.random.default_rng(0)
    dataset = FederatedDataset(of_user, lambda: int(draw.integers(bench.USERS)))
    module = Wrapped(bench.MODELS[name]())
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    model = PyTorchModel(module, torch.optim.SGD, optimizer)
    clock = Clock()
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds + 1,
            evaluation_frequency=10**6,
            train_cohort_size=bench.COHORT,
            val_cohort_size=None,
        ),
        backend=SimulatedBackend(training_data=dataset, val_data=None),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1, local_learning_rate=bench.RATE, local_batch_size=bench.BATCH
        ),
        model_eval_params=None,
        callbacks=[clock],
    )
    print(json.dumps(clock.seconds[1:]))


if __name__ == "__main__":
    main()
