"""Noise of different processes: no seed, fork or restart makes two of them draw the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load as load_safetensors

WORKLOADS = Path(__file__).parents[2] / "workloads"

NOISE = """
import torch
from fractions import Fraction
from ringfence.training import FlatModel, LocalPlan, PrivateStep, train_local
torch.manual_seed(0)
model = FlatModel(torch.nn.Linear(400, 1, bias=False))
model.vector.zero_()

class Nothing:
    def loss(self, model, batch):
        return 0 * model(batch["x"]).squeeze(-1)

plan = LocalPlan(1, 1, 1.0, private=PrivateStep(1.0, Fraction(1, 2), 1.0))
for _ in range(2):
    torch.manual_seed(0)
    train_local(Nothing(), model, {"x": torch.zeros(3, 400)}, plan)
    print(model.to_bytes().hex())
    model.vector.zero_()
"""


def test_noise_differs_between_ranks_rounds_and_restarts_whatever_the_seed() -> None:
    """Two processes of the same code and seed are two ranks, or one that was started again; each runs two rounds."""
    started = [
        subprocess.Popen([sys.executable, "-c", NOISE], stdout=subprocess.PIPE, text=True, cwd=WORKLOADS)
        for _ in range(2)
    ]
    lines = [line for process in started for line in process.communicate()[0].split()]
    drawn = torch.stack([load_safetensors(bytes.fromhex(line))["weight"].flatten() for line in lines]).double()
    assert drawn.shape == (4, 400)
    assert drawn.std(1).min() > 0.5
    assert torch.corrcoef(drawn).fill_diagonal_(0).abs().max() < 6.5 / 400**0.5
