"""Local training: the mechanism of a private step is the one that is accounted; a plain run can be repeated."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ringfence.errors import InvalidInput, InvalidTask, WorkloadFailed
from ringfence.training import FlatModel, LocalPlan, PrivateStep, train_local
from ringfence.training.batches import count


class Squares:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return 0.5 * (model(batch["x"]).squeeze(-1) - batch["y"]).square()


class Nothing:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return 0 * model(batch["x"]).squeeze(-1)


def linear(width: int = 4) -> FlatModel:
    torch.manual_seed(1)
    return FlatModel(nn.Linear(width, 1))


def records(n: int, width: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(n, width, generator=generator)
    return {"x": x, "y": x.sum(1)}


def private(sigma: float = 1.0, rate: Fraction = Fraction(1, 10), clip: float = 1.0) -> PrivateStep:
    return PrivateStep(sigma, rate, clip)


def test_the_noise_of_a_step_is_sigma_times_the_clip_over_the_expected_batch() -> None:
    model, data = linear(4095), records(50, 4095)
    before, sigma, clip, batch = model.copy(), 1.7, 0.3, 5
    train_local(Nothing(), model, data, LocalPlan(1, batch, 1.0, private=private(sigma, clip=clip)))
    noise = (model.vector - before).double().numpy() * batch
    squares = float((noise**2).sum()) / (sigma * clip) ** 2
    low, high = stats.chi2.ppf([1e-7, 1 - 1e-7], noise.size)
    assert low < squares < high
    assert stats.kstest(noise / (sigma * clip), "norm").pvalue > 1e-7


def test_the_noise_of_every_step_is_fresh() -> None:
    steps: list[Tensor] = []
    model = linear(500)
    seen = [model.copy()]
    plan = LocalPlan(4, 5, 1.0, private=private())
    train_local(Nothing(), model, records(50, 500), plan, lambda step: seen.append(model.copy()))
    steps = [(b - a).double() for a, b in itertools.pairwise(seen)]
    correlations = np.corrcoef(torch.stack(steps).numpy())[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 6 / 500**0.5


def test_the_sum_is_divided_by_the_expected_batch_and_not_by_the_drawn_one() -> None:
    """All records have the same clipped gradient, so a step says how many were drawn if divided by what is expected."""
    data = {"x": torch.ones(400, 1), "y": torch.full((400,), 100.0)}
    drawn = []
    for _ in range(30):
        model = FlatModel(nn.Linear(1, 1, bias=False))
        before = model.copy()
        train_local(Squares(), model, data, LocalPlan(1, 40, 1.0, private=private(1e-9)))
        drawn.append(float((model.vector - before).item()) * 40)
    assert np.allclose(drawn, np.round(drawn), atol=1e-3)
    assert len(set(np.round(drawn))) > 5
    low, high = stats.binom.ppf([1e-9, 1 - 1e-9], 30 * 400, 0.1)
    assert low <= sum(np.round(drawn)) <= high


def test_a_private_run_clips_every_record_to_the_norm() -> None:
    data = {"x": torch.ones(1, 1), "y": torch.full((1,), 1e6)}
    model = FlatModel(nn.Linear(1, 1, bias=False))
    before = model.copy()
    train_local(Squares(), model, data, LocalPlan(1, 1, 1.0, private=private(1e-9, Fraction(1), 0.25)))
    assert float((model.vector - before).item()) == pytest.approx(0.25, abs=1e-5)


def test_a_run_clipped_by_layer_moves_every_layer_by_its_share() -> None:
    data = {"x": torch.ones(1, 1), "y": torch.full((1,), 1e6)}
    model = FlatModel(nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)))
    model.vector.fill_(0.5)
    plan = LocalPlan(1, 1, 1.0, private=private(1e-9, Fraction(1), 0.25), by_layer=True)
    train_local(Squares(), model, data, plan)
    assert model.vector.tolist() == pytest.approx([0.5 + 0.25 / 2**0.5] * 2, abs=1e-5)


def test_two_private_runs_differ() -> None:
    models = [linear(), linear()]
    for model in models:
        torch.manual_seed(0)
        train_local(Squares(), model, records(100), LocalPlan(3, 10, 0.1, private=private()))
    assert not torch.equal(models[0].vector, models[1].vector)


def test_the_number_of_steps_is_fixed_although_most_draws_are_empty() -> None:
    model, steps = linear(), []
    before = model.copy()
    train_local(
        Squares(), model, records(20), LocalPlan(50, 1, 1.0, private=private(rate=Fraction(1, 2000))), steps.append
    )
    assert steps == list(range(50))
    assert (model.vector - before).abs().min() > 0


def test_a_silo_without_records_adds_noise_all_the_same() -> None:
    model = linear()
    before = model.copy()
    train_local(Squares(), model, records(0), LocalPlan(2, 5, 1.0, private=private()))
    assert (model.vector - before).abs().min() > 0


def test_a_broken_record_does_not_show_in_a_private_run() -> None:
    data = records(60)
    data["x"][7], data["y"][8] = float("inf"), float("nan")
    model = linear()
    train_local(Squares(), model, data, LocalPlan(20, 30, 0.1, private=private(rate=Fraction(1, 2))))
    assert model.vector.isfinite().all()


def test_a_private_run_says_nothing_but_the_step(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[object] = []
    with caplog.at_level(logging.DEBUG):
        result = train_local(
            Squares(), linear(), records(40), LocalPlan(2, 4, 0.1, private=private()), lambda *words: said.append(words)
        )
    assert result is None and said == [(0,), (1,)]
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_frozen_parameters_come_out_as_they_went_in_even_if_the_model_writes_to_them() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.memory = nn.Linear(4, 1), nn.Parameter(torch.zeros(4), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.memory.copy_(x[0])
            return self.layer(x)

    model = FlatModel(Writing())
    train_local(Squares(), model, records(10), LocalPlan(2, 10, 0.1, private=private(rate=Fraction(1))))
    assert torch.equal(model.module.memory, torch.zeros(4))


REPEAT = """
import torch
from torch import nn
torch.set_num_threads(1)
from ringfence.training import FlatModel, LocalPlan, train_local

class Task:
    def loss(self, model, batch):
        return (model(batch["x"]).squeeze(-1) - batch["y"]).square()

torch.manual_seed(4)
model = FlatModel(nn.Sequential(nn.Linear(5, 16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 1)))
data = {"x": torch.randn(300, 5), "y": torch.randn(300)}
torch.manual_seed(OTHER)
train_local(Task(), model, data, LocalPlan(40, 32, 0.05, 0.9, seed=9))
print(model.to_bytes().hex())
"""


def in_a_fresh_process(other: int) -> str:
    script = REPEAT.replace("OTHER", str(other))
    workloads = Path(__file__).parents[3] / "workloads"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=workloads, check=True)
    return done.stdout


def test_a_plain_run_repeats_to_the_bit_in_a_fresh_process() -> None:
    assert in_a_fresh_process(1) == in_a_fresh_process(2)


def test_a_plain_run_follows_its_seed() -> None:
    models = [linear(), linear()]
    for seed, model in enumerate(models):
        train_local(Squares(), model, records(40), LocalPlan(5, 4, 0.1, seed=seed))
    assert not torch.equal(models[0].vector, models[1].vector)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_plain_run_is_sgd_with_momentum(momentum: float) -> None:
    data, model, reference = records(40), linear(), linear().module
    train_local(Squares(), model, data, LocalPlan(15, 40, 0.05, momentum, seed=0))
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=momentum)
    for _ in range(15):
        optimizer.zero_grad()
        Squares().loss(reference, data).mean().backward()
        optimizer.step()
    expected = torch.cat([parameter.detach().flatten() for parameter in reference.parameters()])
    assert torch.allclose(model.vector, expected, rtol=0, atol=1e-6)


def test_a_plain_epoch_sees_every_record_once_and_batches_are_full() -> None:
    seen: list[list[int]] = []

    class Watching:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            seen.append(batch["id"].tolist())
            return Squares().loss(model, batch)

    data = records(30) | {"id": torch.arange(30)}
    train_local(Watching(), linear(), data, LocalPlan(15, 4, 0.1, seed=3))
    assert [len(batch) for batch in seen] == [4] * 15
    flat = list(itertools.chain(*seen))
    assert sorted(flat[:30]) == sorted(flat[30:60]) == list(range(30))
    assert flat[:30] != flat[30:60]


def test_the_order_of_records_follows_the_seed_and_not_what_the_model_draws() -> None:
    orders: list[list[list[int]]] = []

    class Watching:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            orders[-1].append(batch["id"].tolist())
            return Squares().loss(model, batch)

    data = records(30) | {"id": torch.arange(30)}
    for rate in (0.0, 0.5):
        orders.append([])
        model = FlatModel(nn.Sequential(nn.Dropout(rate), nn.Linear(4, 1)))
        train_local(Watching(), model, data, LocalPlan(20, 4, 0.1, seed=3))
    assert orders[0] == orders[1]


def test_a_plain_batch_is_never_larger_than_the_silo() -> None:
    sizes: list[int] = []

    class Watching:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            sizes.append(count(batch))
            return Squares().loss(model, batch)

    train_local(Watching(), linear(), records(3), LocalPlan(2, 64, 0.1, seed=3))
    assert sizes == [3, 3]


@pytest.mark.parametrize("how", [{"seed": 0}, {"private": private()}])
def test_training_leaves_the_mode_and_the_random_state_of_the_process_alone(how: dict) -> None:
    model = linear()
    model.module.eval()
    torch.manual_seed(11)
    state = torch.get_rng_state()
    train_local(Squares(), model, records(40), LocalPlan(2, 4, 0.1, **how))
    assert not model.module.training
    assert torch.equal(torch.get_rng_state(), state)


class Failing:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        raise ValueError(f"canary {batch['y'][0]}")


@pytest.mark.parametrize("how", [{"seed": 0}, {"private": private(rate=Fraction(1))}])
def test_what_a_task_raises_is_told_by_its_place_without_its_words(how: dict) -> None:
    message = r"^Failing: ValueError in step 0, at test_local.py:\d+ \(loss\); try the task on synthetic rows"
    with pytest.raises(WorkloadFailed, match=message) as caught:
        train_local(Failing(), linear(), records(8), LocalPlan(1, 8, 0.1, **how))
    assert "canary" not in str(caught.value) and caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_loss_of_another_shape_is_refused_in_a_plain_run() -> None:
    class Averaged:
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            return Squares().loss(model, batch).mean()

    with pytest.raises(InvalidTask, match=r"^Averaged: loss returned \[\] for 8 records, not \[8\]"):
        train_local(Averaged(), linear(), records(8), LocalPlan(1, 8, 0.1, seed=0))


def test_columns_of_different_length_and_no_records_are_refused() -> None:
    plan = LocalPlan(1, 8, 0.1, seed=0)
    with pytest.raises(InvalidInput, match=r"^batch: the encoded columns \['x', 'y'\] do not hold the same number"):
        train_local(Squares(), linear(), {"x": torch.zeros(3, 4), "y": torch.zeros(2)}, plan)
    with pytest.raises(InvalidInput, match=r"^data: there are no records to train on$"):
        train_local(Squares(), linear(), records(0), plan)


WRONG_PLANS = {
    "^steps: -1 is negative$": lambda: LocalPlan(-1, 8, 0.1, seed=0),
    "^batch_size: 0 is not a positive number of records$": lambda: LocalPlan(1, 0, 0.1, seed=0),
    "^learning_rate: is not a positive number$": lambda: LocalPlan(1, 8, float("nan"), seed=0),
    r"^momentum: is not in \[0, 1\)$": lambda: LocalPlan(1, 8, 0.1, 1.0, seed=0),
    "^seed: a run has either a seed or privacy: a private sample follows no seed$": lambda: LocalPlan(
        1, 8, 0.1, private=private(), seed=0
    ),
    "^noise_multiplier: is not a positive number$": lambda: private(sigma=0.0),
    "^max_grad_norm: is not a positive number$": lambda: private(clip=float("inf")),
    "^sampling_rate: is not a probability above 0$": lambda: private(rate=Fraction(0)),
}


@pytest.mark.parametrize("message", list(WRONG_PLANS))
def test_a_plan_without_meaning_is_refused(message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        WRONG_PLANS[message]()


def test_a_run_has_a_seed_or_privacy() -> None:
    with pytest.raises(InvalidInput, match=r"^seed: a run has either a seed or privacy"):
        LocalPlan(1, 8, 0.1)
