"""FedAvg in closed form, and that its bits depend on nothing but its inputs."""

from __future__ import annotations

import numpy as np

from ringfence.federation.strategies import STRATEGIES, fedavg


def test_two_quadratic_clients_meet_where_the_formula_says():
    """F_i(x) = a_i/2 (x - e_i)^2, tau_i steps: x -> sum g_i e_i / sum g_i with g_i = 1 - (1 - eta a_i)^tau_i."""
    eta, a, e, tau = 0.1, (1.0, 4.0), (0.0, 10.0), (2, 20)
    x = np.zeros(1, dtype=np.float32)
    for _ in range(200):
        updates = []
        for slope, centre, steps in zip(a, e, tau, strict=True):
            local = float(x[0])
            for _ in range(steps):
                local -= eta * slope * (local - centre)
            updates.append((1, np.array([local - float(x[0])], dtype=np.float32)))
        x = fedavg.step(x, updates)
    g = [1 - (1 - eta * slope) ** steps for slope, steps in zip(a, tau, strict=True)]
    assert abs(float(x[0]) - sum(gi * ei for gi, ei in zip(g, e, strict=True)) / sum(g)) < 1e-4


def test_updates_weigh_as_their_records():
    step = fedavg.step(np.zeros(2, np.float32), [(3, np.ones(2, np.float32)), (1, -np.ones(2, np.float32))])
    assert step.tolist() == [0.5, 0.5]


def test_equal_inputs_give_equal_bits():
    draw = np.random.default_rng(0)
    model = draw.normal(size=1000).astype(np.float32)
    updates = [(int(n), draw.normal(size=1000).astype(np.float32)) for n in (7, 11, 13)]
    assert fedavg.step(model, updates).tobytes() == STRATEGIES["fedavg"](model, updates).tobytes()
