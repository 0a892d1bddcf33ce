"""For any small model, users and plan: equal to the loop over users, and bounded in every single user."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ringfence.training import FlatModel, PrivateStep
from ringfence.training.stacks import Sgd
from ringfence.training.userplan import UserPlan, UserRows
from ringfence.training.users import UserData, clipped_user_sum


class Net(nn.Module):
    """Codes embedded beside numbers, a wide linear layer or a narrow one, a norm or none."""

    def __init__(self, inputs: int, hidden: int, norm: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(3, 2)
        self.first = nn.Linear(inputs + 2, hidden)
        self.norm = nn.LayerNorm(hidden) if norm else nn.Identity()
        self.last = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.last(self.norm(torch.tanh(self.first(torch.cat([x, self.embed(code)], 1))))).squeeze(1)


class Squares:
    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return (model(batch["x"], batch["code"]) - batch["y"]).square()


@st.composite
def cases(draw: st.DrawFn) -> tuple[FlatModel, UserData, UserPlan]:
    torch.manual_seed(draw(st.integers(0, 2**31)))
    inputs, hidden = draw(st.sampled_from([(2, 3), (40, 50), (5, 40)]))
    model = FlatModel(Net(inputs, hidden, draw(st.booleans())).double(), torch.float64)
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    rows = sum(counts)
    scale = 10.0 ** draw(st.integers(-3, 2))
    records = {
        "x": scale * torch.randn(rows, inputs).double(),
        "code": torch.randint(3, (rows,)),
        "y": torch.randn(rows).double(),
    }
    plan = UserPlan(
        users_per_round=2,
        epochs=draw(st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(5, 2)])),
        batch_size=draw(st.integers(1, 5)),
        learning_rate=draw(st.sampled_from([0.01, 0.3])),
        momentum=draw(st.sampled_from([0.0, 0.9])),
        proximal=draw(st.sampled_from([0.0, 2.0])),
        private=PrivateStep(1.0, Fraction(1, 2), 10.0 ** draw(st.integers(-3, 2))),
    )
    return model, UserData(records, UserRows(np.cumsum([0, *counts]).astype(np.int64))), plan


def change(model: FlatModel, data: UserData, user: int, plan: UserPlan) -> Tensor:
    """One user's SGD from the definition."""
    first, end = data.rows.starts[user : user + 2]
    start, velocity = model.trainable.clone(), torch.zeros_like(model.trainable)
    batches = [(at, min(at + plan.batch_size, end)) for at in range(first, end, plan.batch_size)]
    for step in range(plan.steps(end - first)):
        at, to = batches[step % len(batches)]
        value = Squares().loss(model.module, {name: one[at:to] for name, one in data.records.items()}).mean()
        parts = torch.autograd.grad(value, model.parameters, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.flatten() for part in parts])
        velocity = plan.momentum * velocity + gradient + plan.proximal * (model.trainable - start)
        model.trainable.sub_(plan.learning_rate * velocity)
    moved = model.trainable - start
    model.trainable.copy_(start)
    return moved


def clip_of(plan: UserPlan) -> float:
    assert plan.private is not None
    return plan.private.max_grad_norm


@settings(deadline=None, max_examples=40)
@given(cases(), st.integers(1, 3))
def test_the_sum_equals_the_loop_whatever_the_threads(case, workers: int) -> None:
    model, data, plan = case
    users = list(range(len(data.rows)))
    moved = [change(model, data, user, plan) for user in users]
    if not all(bool(one.isfinite().all()) for one in moved):
        return
    terms = [one * min(1.0, clip_of(plan) / max(float(one.norm()), 1e-300)) for one in moved]
    expected = torch.stack(terms).sum(0)
    found = clipped_user_sum(Squares(), model, data, plan, users, workers=workers)
    largest = max(float(one.norm()) for one in terms)
    assert (found - expected).norm() <= 1e-7 * max(largest, 1e-12)


@settings(deadline=None, max_examples=60)
@given(cases(), st.data())
def test_one_user_more_moves_the_sum_by_at_most_the_clip(case, draw: st.DataObject) -> None:
    model, data, plan = case
    gone = draw.draw(st.integers(0, len(data.rows) - 1))
    first, end = data.rows.starts[gone : gone + 2]
    data.records["x"][first:end] *= draw.draw(st.sampled_from([0.0, 1.0, 1e6, 1e150, float("inf"), float("nan")]))
    users = list(range(len(data.rows)))
    whole = clipped_user_sum(Squares(), model, data, plan, users)
    rest = clipped_user_sum(Squares(), model, data, plan, [user for user in users if user != gone])
    assert (whole - rest).norm() <= clip_of(plan) * (1 + 1e-6)


@settings(deadline=None, max_examples=30)
@given(cases())
def test_a_single_user_in_float32_is_clipped_to_the_clip(case) -> None:
    model, data, plan = case
    model = FlatModel(model.module.float())
    records = {name: one.float() if one.is_floating_point() else one for name, one in data.records.items()}
    found = clipped_user_sum(Squares(), model, UserData(records, data.rows), plan, [0])
    assert found.double().norm() <= clip_of(plan) * (1 + 1e-5)


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 0.95), st.floats(0, 3), st.floats(0.01, 0.5), st.lists(st.floats(-2, 2), min_size=1, max_size=8))
def test_coefficients_are_what_the_recursion_does(momentum, proximal, rate, gradients) -> None:
    sgd, moved, velocity = Sgd(rate, momentum, proximal), 0.0, 0.0
    table = sgd.coefficients(len(gradients))
    for step, gradient in enumerate(gradients, 1):
        velocity = momentum * velocity + gradient + proximal * moved
        moved -= rate * velocity
        by_table = -rate * float(table[step, :step] @ gradients[:step])
        assert abs(moved - by_table) <= 1e-9 * (1 + abs(moved))
