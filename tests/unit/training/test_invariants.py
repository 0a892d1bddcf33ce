"""What the private engine keeps to under autocast and checkpointing, across processes, and against what is charged."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from scipy import stats
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ringfence.errors import InvalidTask
from ringfence.privacy.ledger.entries import PlanRecord
from ringfence.tasks.probe_model import check_gradients
from ringfence.training import FlatModel, LocalPlan, PrivateStep, clipped_sum, train_local
from ringfence.training.route import choose_route


class Squares:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return (model(batch["x"]).flatten(1).float().sum(1) - batch["y"]).square()


class Net(nn.Module):
    """Convolution, group norm, linear layers; with `again`, its middle is computed twice to save memory."""

    def __init__(self, again: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.again = nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten()), again
        self.middle = nn.Sequential(nn.Linear(24, 16), nn.LayerNorm(16), nn.GELU())
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        if self.again:
            return self.head(checkpoint(self.middle, hidden, use_reentrant=self.again == "reentrant"))
        return self.head(self.middle(hidden))


def batch(records: int = 9) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {"x": torch.randn(records, 2, 8), "y": 3 * torch.randn(records)}


def off(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def test_activation_checkpointing_changes_nothing_and_keeps_the_rules() -> None:
    plain, again = FlatModel(Net()), FlatModel(Net("not reentrant"))
    assert choose_route(again, Squares(), batch()).rest == ()
    assert torch.equal(clipped_sum(again, Squares(), batch(), 0.5), clipped_sum(plain, Squares(), batch(), 0.5))


def test_reentrant_checkpointing_which_hides_activations_is_refused_by_the_probe() -> None:
    model = Net("reentrant")
    with pytest.raises(InvalidTask, match=r"set use_reentrant=False"):
        check_gradients(model, Squares().loss(model, batch()), "task Net")


@pytest.mark.parametrize("clip", [0.05, 1e6])
def test_under_bf16_autocast_the_rules_stay_and_the_sum_is_close_in_float32(clip: float) -> None:
    model = FlatModel(Net())
    exact = clipped_sum(model, Squares(), batch(), clip)
    with torch.autocast("cpu", torch.bfloat16):
        assert choose_route(model, Squares(), batch()).rest == ()
        found = clipped_sum(model, Squares(), batch(), clip)
    assert found.dtype == torch.float32
    assert off(found, exact) < 0.05


@pytest.mark.parametrize("records", [1, 7])
def test_under_bf16_autocast_no_record_exceeds_the_clip(records: int) -> None:
    model, data = FlatModel(Net()), batch(records)
    data["y"] *= 1e3
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(records):
            one = clipped_sum(model, Squares(), {name: tensor[i : i + 1] for name, tensor in data.items()}, 0.05)
            assert float(one.double().norm()) <= 0.05 * (1 + 1e-6)


def test_the_noise_of_a_plan_is_the_noise_that_its_reservation_is_charged_for() -> None:
    """The record in the ledger, of which the cost is computed, is the one that sets noise, clip and rate."""
    record = PlanRecord(
        mechanism="poisson-gaussian", noise_multiplier="1.37", sampling_rate="1/10", steps_per_round=3, rounds=1,
        max_grad_norm="0.25", job_epsilon="9", job_delta="1e-6",
    )  # fmt: skip
    private = PrivateStep(float(record.noise_multiplier), Fraction(record.sampling_rate), float(record.max_grad_norm))
    model = FlatModel(nn.Linear(30_000, 1, bias=False))
    before = model.copy()

    class Nothing:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            return 0 * model(batch["x"]).squeeze(-1)

    data = {"x": torch.zeros(20, 30_000)}
    train_local(Nothing(), model, data, LocalPlan(record.steps_per_round, 2, 1.0, private=private))
    noise = (model.vector - before).double().numpy() * 2
    variance = 3 * (Decimal(record.noise_multiplier) * Decimal(record.max_grad_norm)) ** 2
    low, high = stats.chi2.ppf([5e-10, 1 - 5e-10], noise.size)
    assert low < float((noise**2).sum()) / float(variance) < high
    assert stats.kstest(noise / float(variance) ** 0.5, "norm").pvalue > 1e-9


def test_a_checkpoint_of_a_private_run_holds_parameters_and_nothing_else(tmp_path: Path) -> None:
    model = FlatModel(Net())
    private = PrivateStep(1.0, Fraction(1, 2), 1.0)
    train_local(Squares(), model, batch(), LocalPlan(2, 4, 0.1, 0.9, private=private))
    file = tmp_path / "model.safetensors"
    file.write_bytes(model.to_bytes())
    with safe_open(file, "pt") as opened:
        assert set(opened.keys()) == {name for name, _ in model.module.named_parameters()}
        assert not opened.metadata()
    named = sum(parameter.numel() for parameter in model.module.parameters())
    assert file.stat().st_size < 4 * named + 4096
