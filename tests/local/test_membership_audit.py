"""Membership inference with canaries in one run of the real engine: it stays under the accounted epsilon, and finds an
engine that adds no noise or does not clip.

A canary is a record that alone moves one weight, as far as the clip allows: the strongest record there is. Half of
them are in the data, by a fair coin; the auditor sees the released weights and guesses.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from support.one_run_audit import audit, lower_bound, probability
from torch import Tensor, nn

from ringfence.privacy import account
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.noise import NoiseSource
from ringfence.training import FlatModel, LocalPlan, PrivateStep, clipped_sum, local, train_local

CANARIES, STEPS, RATE, NOISE = 4000, 20, Fraction(1, 4), "3.0"
DELTA, CONFIDENCE = Decimal("1e-9"), 1 - 1e-5


class Pull:
    """The loss -s y of a record with score s: its gradient is -y x, however far the weights have moved."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return -model(batch["x"]).squeeze(-1) * batch["y"]


def accounted() -> float:
    event = PoissonSampledGaussian(Decimal(NOISE), RATE, STEPS)
    return account.rdp_epsilon(event, DELTA)


def audited(size: float) -> float:
    """The lower bound on epsilon that one run shows, with canaries whose gradient has norm `size`."""
    included = np.random.default_rng().random(CANARIES) < 0.5
    places = torch.from_numpy(np.flatnonzero(included))
    data = {"x": torch.zeros(len(places), CANARIES), "y": torch.full((len(places),), size)}
    data["x"][torch.arange(len(places)), places] = 1.0
    model = FlatModel(nn.Linear(CANARIES, 1, bias=False))
    model.vector.zero_()
    private = PrivateStep(float(NOISE), RATE, 1.0)
    train_local(Pull(), model, data, LocalPlan(STEPS, CANARIES // 4, 1.0, private=private))
    scores = model.vector.double().numpy()
    return audit(scores, included, float(DELTA), CONFIDENCE)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_one_run_of_the_engine_stays_under_the_accounted_epsilon_and_is_not_blind(size: float) -> None:
    found = audited(size)
    assert 0 < found < accounted()


def test_an_engine_without_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoiseSource, "add_in_place", lambda *_: None)
    assert audited(1.0) > accounted()


def test_an_engine_without_the_clip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        local, "clipped_sum", lambda model, task, batch, _, **how: clipped_sum(model, task, batch, 1e30, **how)
    )
    assert audited(100.0) > accounted()


def test_the_bound_holds_for_randomised_response_and_says_nothing_about_coin_tosses() -> None:
    assert lower_bound(1000, 1000, 500, 0.0, 0.95) == 0.0
    # 1000 answers, each right with probability e^2 / (1 + e^2): the bound comes close to 2 from below.
    assert 1.7 < lower_bound(1000, 1000, 881, 0.0, 0.95) < 2.0
    assert probability(1000, 1000, 1000, 2.0, 0.0) == pytest.approx((1 / (1 + np.exp(-2.0))) ** 1000, rel=1e-9)
    assert probability(1000, 100, 90, 1.0, 1e-5) > probability(1000, 100, 90, 1.0, 0.0)
