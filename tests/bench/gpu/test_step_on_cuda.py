"""The private step on a GPU is the one on a CPU. Run by hand where there is one: `pytest tests/bench/gpu`."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from support.random_models import Squares, random_model

from ringfence.training import FlatModel, LocalPlan, PrivateStep, clipped_sum, train_local
from ringfence.training.route import choose_route

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("seed", range(30))
def test_clipped_sums_are_those_of_the_cpu_by_the_same_route(seed: int) -> None:
    _, here, batch = random_model(seed, 9)
    _, there, _ = random_model(seed, 9)
    cpu, gpu = FlatModel(here), FlatModel(there.cuda())
    moved = {name: tensor.cuda() for name, tensor in batch.items()}
    assert choose_route(gpu, Squares(), moved).rest == choose_route(cpu, Squares(), batch).rest
    expected = clipped_sum(cpu, Squares(), batch, 1.0).double()
    found = clipped_sum(gpu, Squares(), moved, 1.0).cpu().double()
    assert (found - expected).norm() <= 1e-4 * expected.norm()


def test_a_private_run_leaves_the_generator_of_the_device_alone() -> None:
    _, module, batch = random_model(0, 64)
    model = FlatModel(module.cuda())
    before, state = model.copy(), torch.cuda.get_rng_state()
    train_local(Squares(), model, batch, LocalPlan(3, 16, 0.1, private=PrivateStep(1.0, Fraction(1, 4), 1.0)))
    assert model.vector.device.type == "cuda" and model.vector.isfinite().all()
    assert not torch.equal(model.vector, before)
    assert torch.equal(torch.cuda.get_rng_state(), state)
