"""User-level training against a loop over users in plain PyTorch, for every kind of layer and ragged users."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidInput, InvalidTask, WorkloadFailed
from ringfence.training import FlatModel, PrivateStep, users
from ringfence.training.lockstep import choose
from ringfence.training.stacks import Sgd
from ringfence.training.userplan import UserPlan, UserRows, group_users
from ringfence.training.users import UserData, clipped_user_sum, train_users

COUNTS = [7, 1, 4, 12, 1, 5, 4, 20]
FEATURES = 96


class Wide(nn.Sequential):
    """Thin kernels in the first layer, stacks in the second."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(FEATURES, 128), nn.Tanh(), nn.Linear(128, 3, bias=False))


class Tabular(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4, padding_idx=2)
        self.norm = nn.LayerNorm(FEATURES + 4)
        self.out = nn.Linear(FEATURES + 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        codes = (x[:, 0].abs() * 3).long() % 5
        return self.out(torch.tanh(self.norm(torch.cat([x, self.embed(codes)], 1))))


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv1d(1, 4, 3), nn.Linear(4 * (FEATURES - 2), 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.conv(x.unsqueeze(1))).flatten(1))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.first(torch.tanh(self.first(x)))))


class ByHand(nn.Module):
    """Uses a layer's weight outside of the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x) + 0.1 * self.out.weight.sum()


class Sequences(nn.Module):
    """A linear layer on [B, T, D], which has no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.inner(x.view(len(x), -1, 8))).mean(1))


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(FEATURES, 8), nn.Linear(8, 3)
        self.inner.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.inner(x)))


MODELS = {model.__name__: model for model in (Wide, Tabular, Convolution, Tied, ByHand, Sequences, Frozen)}
COVERED = {
    "Wide": {"0", "2"},
    "Tabular": {"embed", "norm", "out"},
    "Convolution": {"out"},
    "Tied": {"out"},
    "ByHand": set(),
    "Sequences": {"out"},
    "Frozen": {"out"},
}
PLANS = {
    "plain": {},
    "momentum": {"momentum": 0.5},
    "proximal": {"proximal": 0.7},
    "both": {"momentum": 0.5, "proximal": 0.7},
    "passes": {"epochs": Fraction(5, 2)},
}


class Classes:
    def loss(self, model: nn.Module, batch) -> Tensor:
        return functional.cross_entropy(model(batch["x"]), batch["y"], reduction="none")


def make(name: str, counts=COUNTS, dtype=torch.float64) -> tuple[FlatModel, UserData]:
    torch.manual_seed(0)
    model = FlatModel(MODELS[name]().to(dtype), dtype)
    records = {"x": torch.randn(sum(counts), FEATURES, dtype=dtype), "y": torch.randint(3, (sum(counts),))}
    return model, UserData(records, UserRows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)))


def plan(clip: float = 0.3, rate: Fraction = Fraction(1, 2), **changes) -> UserPlan:
    given = {"epochs": Fraction(1), "batch_size": 5, "learning_rate": 0.2} | changes
    return UserPlan(4, private=PrivateStep(1.0, rate, clip), **given)


EVERYBODY = plan(rate=Fraction(1))
"""For what must be seen whomever the system's generator draws."""


def change(model: FlatModel, data: UserData, user: int, p: UserPlan) -> Tensor:
    """One user's own SGD, as anybody would write it."""
    first, end = data.rows.starts[user : user + 2]
    start = model.copy()
    velocity = torch.zeros_like(model.trainable)
    batches = [(at, min(at + p.batch_size, end)) for at in range(first, end, p.batch_size)]
    for step in range(max(1, round(p.epochs * len(batches)))):
        at, to = batches[step % len(batches)]
        loss = Classes().loss(model.module, {name: values[at:to] for name, values in data.records.items()}).mean()
        gradients = torch.autograd.grad(loss, model.parameters, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([one.flatten() for one in gradients])
        moved = model.trainable - start[: len(model.trainable)]
        velocity = p.momentum * velocity + gradient + p.proximal * moved
        model.trainable.sub_(p.learning_rate * velocity)
    moved = model.copy() - start
    model.load(start)
    return moved[: len(model.trainable)]


def expected(model: FlatModel, data: UserData, users, p: UserPlan, clip: float) -> Tensor:
    total = torch.zeros_like(model.trainable)
    for user in users:
        moved = change(model, data, user, p)
        total += moved * min(1.0, clip / float(moved.norm()))
    return total


@pytest.mark.parametrize("options", PLANS)
@pytest.mark.parametrize("name", MODELS)
def test_the_sum_equals_a_loop_over_users(name, options):
    model, data = make(name)
    p = plan(**PLANS[options])
    users = list(range(len(COUNTS)))
    found = clipped_user_sum(Classes(), model, data, p, users)
    wanted = expected(model, data, users, p, 0.3)
    assert (found - wanted).norm() <= 1e-9 * wanted.norm()


@pytest.mark.parametrize("name", MODELS)
def test_layers_get_kernels_where_these_hold(name):
    model, data = make(name)
    assert choose(model, Classes(), data.records, Sgd(0.1)) == COVERED[name]
    assert "forward" not in next(model.module.children()).__dict__


@pytest.mark.parametrize("name", ["Wide", "Convolution"])
def test_threads_and_order_of_users_do_not_matter(name):
    model, data = make(name)
    users = list(range(len(COUNTS)))
    one = clipped_user_sum(Classes(), model, data, plan(), users)
    three = clipped_user_sum(Classes(), model, data, plan(), users[::-1], workers=3)
    assert (one - three).norm() <= 1e-12 * one.norm()


def test_nobody_drawn_is_a_sum_of_zero():
    model, data = make("Wide")
    assert not clipped_user_sum(Classes(), model, data, plan(), []).any()


@pytest.mark.parametrize("name", ["Wide", "Tabular", "Convolution", "Tied"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_user_that_is_not_finite_adds_nothing_and_harms_nobody(name, value):
    model, data = make(name, dtype=torch.float32)
    first = data.rows.starts[3]
    data.records["x"][first + 1] = value
    if value == 1e30:
        data.records["x"][first + 1] *= torch.linspace(1, 1e8, FEATURES)
    others = [user for user in range(len(COUNTS)) if user != 3]
    clean = clipped_user_sum(Classes(), model, data, plan(), others)
    found = clipped_user_sum(Classes(), model, data, plan(), [*others, 3])
    assert found.isfinite().all()
    assert (found - clean).norm() <= 0.3 * (1 + 1e-5)


def test_without_privacy_the_update_is_the_mean_of_the_users_drawn():
    model, data = make("Wide")
    p = UserPlan(8, Fraction(1), 5, 0.2, seed=3)
    wanted = expected(model, data, range(8), p, float("inf")) / 8
    before = model.trainable.clone()
    train_users(Classes(), model, data, p, workers=2)
    assert (model.trainable - before - wanted).norm() <= 1e-12


@pytest.mark.parametrize("name", ["Wide", "Convolution"])
def test_without_privacy_a_run_repeats_to_the_bit_and_follows_its_seed(name):
    def run(seed: int) -> bytes:
        model, data = make(name, dtype=torch.float32)
        model.module.add_module("drop", nn.Dropout(0.5))  # a generator of each worker's own
        train_users(Classes(), model, data, UserPlan(3, Fraction(1), 5, 0.2, seed=seed), workers=2)
        return model.vector.numpy().tobytes()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_with_privacy_no_two_runs_are_alike_and_the_model_stays_finite():
    updates = []
    for _ in range(2):
        model, data = make("Wide", dtype=torch.float32)
        torch.manual_seed(0)
        train_users(Classes(), model, data, plan())
        updates.append(model.trainable.clone())
    assert updates[0].isfinite().all() and (updates[0] - updates[1]).abs().max() > 0.01


def test_the_noise_of_a_round_is_on_the_sum_and_divided_by_the_expected_number():
    """Variance (sigma C / m)^2 in a chi-square band of 5 standard deviations, however many users were drawn."""
    model, data = make("Wide", dtype=torch.float32)
    p = UserPlan(4, Fraction(1), 5, 1e-7, private=PrivateStep(2.0, Fraction(1, 2), 0.5))
    before = model.trainable.clone()
    train_users(Classes(), model, data, p)
    noise = (model.trainable - before).double() / (2.0 * 0.5 / 4)
    n = len(noise)
    assert abs(float(noise.square().sum()) - n) < 5 * (2 * n) ** 0.5


def test_the_sum_is_divided_by_the_expected_number_and_not_by_the_drawn_one():
    model, data = make("Wide")
    p = UserPlan(4, Fraction(1), 5, 0.2, private=PrivateStep(1e-9, Fraction(1), 0.3))  # all 8 are drawn
    wanted = expected(model, data, range(8), p, 0.3) / 4
    before = model.trainable.clone()
    train_users(Classes(), model, data, p)
    assert (model.trainable - before - wanted).norm() <= 1e-6 * wanted.norm()


def test_with_privacy_each_user_is_drawn_on_its_own_with_the_rate_and_no_sample_recurs():
    """400 users at rate 1/2, 60 times: counts within 6 standard deviations, sizes that vary, no two samples alike."""
    rows = UserRows(np.arange(401))
    samples = [users._sample(rows, plan()) for _ in range(60)]
    drawn = np.bincount(np.concatenate(samples), minlength=400)
    assert abs(drawn - 30).max() < 6 * 15**0.5 and len({len(one) for one in samples}) > 5
    assert len({tuple(one) for one in samples}) == 60


def test_frozen_parameters_stay():
    model, data = make("Frozen", dtype=torch.float32)
    before = model.copy()
    train_users(Classes(), model, data, plan())
    trained = len(model.trainable)
    assert torch.equal(model.vector[trained:], before[trained:])
    assert not torch.equal(model.trainable, before[:trained])


class Broken(Classes):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def loss(self, model: nn.Module, batch) -> Tensor:
        if len(batch["x"]) > 4:
            with torch.no_grad():
                next(model.parameters()).add_(1)
            raise self.error
        return super().loss(model, batch)


def test_a_tasks_error_is_told_by_its_place_and_never_by_its_words():
    model, data = make("Wide")
    before = model.copy()
    with pytest.raises(WorkloadFailed, match=r"ValueError in step 0, at test_users.py") as caught:
        train_users(Broken(ValueError("row 17 of Ann")), model, data, EVERYBODY, workers=2)
    assert "Ann" not in str(caught.value)
    assert torch.equal(model.vector, before)  # what users did to it is undone


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_a_step_that_does_not_fit_names_the_batch_size(error):
    model, data = make("Wide")
    with pytest.raises(WorkloadFailed, match=r"a step of local.batchSize 5 records of one user does not fit in memory"):
        train_users(Broken(error), model, data, EVERYBODY)


def test_a_loss_that_is_averaged_already_is_refused():
    class Mean(Classes):
        def loss(self, model: nn.Module, batch) -> Tensor:
            return super().loss(model, batch).mean()

    model, data = make("Wide")
    with pytest.raises(InvalidTask, match="one value a record"):
        train_users(Mean(), model, data, EVERYBODY)


def test_rows_are_brought_together_by_user_in_the_order_they_were_sealed():
    order, rows = group_users(np.array([2, 0, 2, 1, 0, 2]), 3)
    assert order.tolist() == [1, 4, 3, 0, 2, 5]
    assert rows.starts.tolist() == [0, 2, 3, 6]
    assert [rows.count(user) for user in range(3)] == [2, 1, 3]


def test_a_user_without_rows_is_refused_by_counts_alone():
    with pytest.raises(InvalidInput, match=r"5 users are declared, and some of them have 0 rows"):
        group_users(np.array([0, 1, 1, 2]), 5)
    with pytest.raises(InvalidInput, match=r"2 users are declared, and more users have rows"):
        group_users(np.array([0, 1, 1, 2]), 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": Fraction(0)}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"proximal": -1.0}, "proximal"),
        ({"seed": 1}, "a private sample follows no seed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_impossible_plan_is_refused(changes, words):
    with pytest.raises(InvalidInput, match=words):
        plan(**changes)


class Noisy(Wide):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.dropout(x, 0.5, self.training))


@pytest.mark.parametrize(
    ("module", "drawn"), [(Wide(), False), (Noisy(), True), (nn.Sequential(*Wide(), nn.Dropout(0.5)), False)]
)
def test_a_model_that_draws_from_the_shared_random_stream_is_noticed(module, drawn):
    """Threads would take numbers from it in an order of their own: such a model trains on one."""
    _, data = make("Wide")
    model, sgd = FlatModel(module.double().train(), torch.float64), Sgd(0.1)
    covered = choose(model, Classes(), data.records, sgd)
    assert users._draws(Classes(), model, data.records, sgd, covered) == drawn
