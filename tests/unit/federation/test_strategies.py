"""Server optimizers against the papers' formulas and closed forms, and the running sum against any order of arrival."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.strategies import STRATEGIES, server_step
from ringfence.federation.strategies.server import BLOCK
from ringfence.spec.strategy import StrategySpec
from ringfence.training import FlatModel, LocalPlan, train_local

ADAPTIVE = ("fedadagrad", "fedadam", "fedyogi")


def mean_of(*updates: tuple[int, list[float]]) -> np.ndarray:
    total = WeightedSum(len(updates[0][1]))
    for weight, values in updates:
        total.add(weight, np.array(values, dtype=np.float32))
        total.weigh(weight)
    return total.mean()


def run(spec: StrategySpec, means: list[np.ndarray], model: np.ndarray) -> np.ndarray:
    step, model = server_step(spec), model.copy()
    state = step.start(len(model))
    for mean in means:
        step.advance(model, mean.copy(), state)
    return model


def test_every_strategy_of_the_spec_has_its_code():
    names = StrategySpec.model_fields["name"].annotation.__args__
    assert set(names) == set(STRATEGIES)


def test_updates_weigh_as_their_records():
    assert mean_of((3, [1, 1]), (1, [-1, -1])).tolist() == [0.5, 0.5]


def test_a_sum_longer_than_a_block_is_the_sum_of_its_parts():
    draw = np.random.default_rng(0)
    updates = [draw.normal(size=2 * BLOCK + 17).astype(np.float32) for _ in range(3)]
    whole, parts = WeightedSum(2 * BLOCK + 17), WeightedSum(2 * BLOCK + 17)
    for weight, update in enumerate(updates, 1):
        whole.add(weight, update)
        for start in range(0, len(update), 1001):
            parts.add(weight, update[start : start + 1001], start)
        whole.weigh(weight)
        parts.weigh(weight)
    expected = sum(w * u.astype(np.float64) for w, u in enumerate(updates, 1)) / 6
    mean = whole.mean()
    assert np.allclose(mean, expected, rtol=1e-14, atol=1e-14)
    assert mean.tobytes() == parts.mean().tobytes()


def test_fedavg_meets_where_the_formula_says():
    """F_i(x) = a_i/2 (x - e_i)^2, tau_i steps: x -> sum g_i e_i / sum g_i with g_i = 1 - (1 - eta a_i)^tau_i."""
    eta, a, e, tau = 0.1, (1.0, 4.0), (0.0, 10.0), (2, 20)
    x, step = np.zeros(1, dtype=np.float32), server_step(StrategySpec(name="fedavg"))
    for _ in range(200):
        updates = []
        for slope, centre, steps in zip(a, e, tau, strict=True):
            local = float(x[0])
            for _ in range(steps):
                local -= eta * slope * (local - centre)
            updates.append((1, [local - float(x[0])]))
        step.advance(x, mean_of(*updates), {})
    g = [1 - (1 - eta * slope) ** steps for slope, steps in zip(a, tau, strict=True)]
    assert abs(float(x[0]) - sum(gi * ei for gi, ei in zip(g, e, strict=True)) / sum(g)) < 1e-4


class Quadratic:
    """a/2 (w - e)^2 for each record."""

    def __init__(self, slope: float, centre: float) -> None:
        self.slope, self.centre = slope, centre

    def loss(self, model: nn.Module, batch) -> torch.Tensor:
        weight = model.weight.view(1)
        return (self.slope / 2 * (weight - self.centre) ** 2).expand(len(batch["x"]))


@pytest.mark.parametrize("mu", [0.0, 0.5, 5.0])
def test_fedprox_solved_locally_meets_where_the_formula_says(mu):
    """Exact local solves: sum a_i / (a_i + mu) (x - e_i) = 0 (from Li et al. 2020, equation 2)."""
    a, e, x = (1.0, 4.0), (0.0, 10.0), 0.0
    data = {"x": torch.zeros(1, 1)}
    for _ in range(25):
        ends = []
        for slope, centre in zip(a, e, strict=True):
            model = FlatModel(nn.Linear(1, 1, bias=False))
            model.load(torch.tensor([x]))
            train_local(Quadratic(slope, centre), model, data, LocalPlan(90, 1, 0.1, seed=0, proximal=mu))
            ends.append(float(model.vector[0]))
        x = sum(ends) / 2
    pull = [slope / (slope + mu) for slope in a]
    assert abs(x - sum(p * c for p, c in zip(pull, e, strict=True)) / sum(pull)) < 1e-3


def test_a_proximal_term_changes_nothing_in_the_first_step():
    def trained(steps: int, mu: float) -> float:
        model = FlatModel(nn.Linear(1, 1, bias=False))
        model.load(torch.tensor([0.0]))
        train_local(Quadratic(1.0, 8.0), model, {"x": torch.zeros(1, 1)}, LocalPlan(steps, 1, 0.5, seed=0, proximal=mu))
        return float(model.vector[0])

    assert trained(1, 3.0) == trained(1, 0.0) == 4.0
    assert trained(2, 3.0) == 4.0 - 0.5 * ((4.0 - 8.0) + 3.0 * 4.0)  # gradient a (w - e) + mu (w - w_round)


def test_fedavgm_by_hand():
    spec = StrategySpec(name="fedavgm", learning_rate="0.5", momentum="0.5")
    model = run(spec, [np.array([1.0, -2.0]), np.array([3.0, 0.0])], np.zeros(2, dtype=np.float32))
    # v1 = (1, -2); v2 = 0.5 v1 + (3, 0) = (3.5, -1); w = 0.5 (v1 + v2)
    assert model.tolist() == [2.25, -1.5]


def test_fedavgm_without_momentum_is_fedavg_bit_for_bit():
    draw = np.random.default_rng(1)
    means = [draw.normal(size=1000) for _ in range(5)]
    model = draw.normal(size=1000).astype(np.float32)
    plain = run(StrategySpec(name="fedavg"), means, model)
    assert run(StrategySpec(name="fedavgm", momentum="0"), means, model).tobytes() == plain.tobytes()
    assert run(StrategySpec(name="fedprox", mu="1"), means, model).tobytes() == plain.tobytes()


def formula(name: str, v: float, d: float, beta2: float) -> float:
    """Reddi et al. 2021, Algorithm 2, the three coloured lines."""
    if name == "fedadagrad":
        return v + d**2
    if name == "fedadam":
        return beta2 * v + (1 - beta2) * d**2
    return v - (1 - beta2) * d**2 * float(np.sign(v - d**2))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_steps_follow_algorithm_2(name):
    arguments = {"learning_rate": "0.1", "momentum": "0.8", "tau": "0.01"}
    if name != "fedadagrad":
        arguments["beta2"] = "0.7"
    deltas = [0.5, -0.02, 0.3, 0.0, 1e-3]
    w, m, v = 1.0, 0.0, 0.01**2
    for d in deltas:
        m = 0.8 * m + 0.2 * d
        v = formula(name, v, d, 0.7)
        w += 0.1 * m / (v**0.5 + 0.01)
    model = run(StrategySpec(name=name, **arguments), [np.array([d]) for d in deltas], np.ones(1, dtype=np.float32))
    assert abs(float(model[0]) - w) < 1e-5


@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_usual_arguments_are_the_papers(name):
    given = StrategySpec(name=name, learning_rate="0.1")
    usual = {"momentum": "0" if name == "fedadagrad" else "0.9", "tau": "0.001"}
    if name != "fedadagrad":
        usual["beta2"] = "0.99"
    means = [np.array([0.5, -1e-4]), np.array([0.1, 2e-4])]
    start = np.zeros(2, dtype=np.float32)
    assert run(given, means, start).tobytes() == run(given.model_copy(update=usual), means, start).tobytes()


def test_yogi_and_adam_differ_where_updates_become_small():
    """Yogi's v falls by (1 - beta2) d^2 only; Adam's forgets a large update at the rate of beta2."""
    means = [np.array([1.0]), *[np.array([1e-3])] * 20]
    ends = {
        name: float(run(StrategySpec(name=name, learning_rate="0.1"), means, np.zeros(1, dtype=np.float32))[0])
        for name in ("fedyogi", "fedadam")
    }
    assert ends["fedadam"] > ends["fedyogi"] > 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_update_of_zero_moves_nothing_before_anything_else_did(name):
    arguments = {"learning_rate": "0.1"} if name in ADAPTIVE else {"mu": "1"} if name == "fedprox" else {}
    model = np.linspace(-1, 1, 2 * BLOCK + 3).astype(np.float32)
    moved = run(StrategySpec(name=name, **arguments), [np.zeros(len(model))], model)
    assert moved.tobytes() == model.tobytes()
