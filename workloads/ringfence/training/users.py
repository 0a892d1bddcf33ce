"""A silo's round with unit User: local training of each sampled user, its whole change clipped, noise on the sum.

    update = (sum_{u in S} delta_u min(1, C / |delta_u|) + N(0, (sigma C)^2 I)) / m

with S a secret Poisson sample of the users at rate q, m = q U its expected size, U the declared number of users, and
delta_u what user u's own SGD made of the round's model (DP-FedAvg: McMahan et al. 2018, arXiv:1710.06963, algorithm 1,
with the fixed denominator of section 3.1). Without privacy: exactly m users drawn by the seed, their plain mean.

Nothing leaves but the noised sum: not who was drawn, nor how many, nor a loss. Users are independent, so they train in
groups (`grouped`) on several threads; a thread holds one model and one sum, whatever the number of users.
"""

from __future__ import annotations

import copy
import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ringfence.errors import WorkloadFailed
from ringfence.privacy.noise import NoiseSource
from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, losses, take
from ringfence.training.failures import told_by_place
from ringfence.training.flat import FlatModel
from ringfence.training.grouped import Lockstep, schedule
from ringfence.training.lockstep import Covered, assemble, choose
from ringfence.training.personal import with_personal
from ringfence.training.stacks import Sgd
from ringfence.training.userplan import UserPlan, UserRows

# Numbers that one group of users keeps beside the model (64 MiB of float32), and the most records in one step of it.
_ELEMENTS, _RECORDS = 1 << 24, 1 << 13


@dataclass(frozen=True)
class UserData:
    """Encoded records, user after user, and which are whose."""

    records: Batch
    rows: UserRows


def train_users(task: RecordLoss, model: FlatModel, data: UserData, plan: UserPlan, workers: int | None = None) -> None:
    """Add the round's update to `model`, in place; frozen parameters come out as they went in.

    `workers` threads (by default one for each core this
    process may use) train at the same time; with one, and on one machine, a run without privacy repeats to the bit, and
    with more too, given their number. Raises InvalidTask, WorkloadFailed as `train_local` does, and never names a user.
    """
    noise = NoiseSource()
    users = _sample(data.rows, plan)
    before = model.module.training
    model.module.train()
    start = model.copy()
    try:
        with torch.random.fork_rng(devices=[]), _told(task, plan):
            torch.manual_seed(secrets.randbits(63) if plan.seed is None else plan.seed)
            total = _clipped_sum(task, model, data, plan, users, workers or _cores())
    finally:
        model.module.train(before)
        model.load(start)
    if plan.private is not None:
        std = plan.private.noise_multiplier * plan.private.max_grad_norm
        total = torch.from_numpy(noise.add_gaussian(total.numpy(force=True), std)).to(total)
    model.trainable.add_(total, alpha=1 / plan.users_per_round)


def clipped_user_sum(
    task: RecordLoss, model: FlatModel, data: UserData, plan: UserPlan, users: Sequence[int], workers: int = 1
) -> Tensor:
    """sum_u delta_u min(1, C / |delta_u|) [T] over these users, before any noise; `model` stays as it is.

    A user whose change or losses are not finite adds exactly 0. With one user more or less the sum moves by at most C,
    up to rounding.
    """
    start = model.copy()
    try:
        return _clipped_sum(task, model, data, plan, users, workers)
    finally:
        model.load(start)


def _sample(rows: UserRows, plan: UserPlan) -> list[int]:
    """The users of the round: a secret Poisson sample, or as many as planned by the seed."""
    if plan.private is not None:
        drawn: list[int] = NoiseSource().bernoulli_indices(len(rows), plan.private.sampling_rate).tolist()
        return drawn
    generator = torch.Generator().manual_seed(plan.seed or 0)
    chosen: list[int] = torch.randperm(len(rows), generator=generator)[: plan.users_per_round].sort().values.tolist()
    return chosen


def _clipped_sum(
    task: RecordLoss,
    model: FlatModel,
    data: UserData,
    plan: UserPlan,
    users: Sequence[int],
    workers: int,
) -> Tensor:
    data = UserData(with_personal(task, model.module, data.records, data.rows, users), data.rows)
    sgd = Sgd(plan.learning_rate, plan.momentum, plan.proximal)
    covered = choose(model, task, data.records, sgd)
    if plan.private is None and _draws(task, model, data.records, sgd, covered):
        workers = 1  # threads would share PyTorch's random stream in an order of their own
    first = assemble(model, task, sgd, covered)
    groups = _groups(first, data.rows, plan, users, workers)
    shares = [groups[worker::workers] for worker in range(min(workers, len(groups)))]
    locksteps = [first, *(assemble(_twin(model), task, sgd, covered) for _ in shares[1:])]

    def work(number: int) -> Tensor:
        torch.set_num_threads(1)
        return _worker_sum(locksteps[number], data, plan, shares[number], number)

    total = torch.zeros_like(model.trainable)
    if len(shares) < 2:
        return work(0) if shares else total
    with ThreadPoolExecutor(len(shares), thread_name_prefix="users") as pool:
        for partial in pool.map(work, range(len(shares))):
            total += partial
    return total


def _worker_sum(
    lockstep: Lockstep, data: UserData, plan: UserPlan, groups: Sequence[Sequence[int]], number: int
) -> Tensor:
    """One thread's share of the sum."""
    total = torch.zeros_like(lockstep.model.trainable)
    seed = secrets.randbits(63) if plan.seed is None else plan.seed + number
    lockstep.generator.manual_seed(seed)
    with lockstep.listening():
        for group in groups:
            planned = schedule(group, data.rows, plan)
            finite = lockstep.train(data.records, planned)
            factors = torch.ones(len(group), dtype=torch.float64)
            if plan.private is not None:
                norms = lockstep.squares(planned.done).sqrt()
                factors = torch.where(
                    finite & norms.isfinite(), (plan.private.max_grad_norm / norms).clamp(max=1.0), 0.0
                )
            lockstep.add(factors.to(total), planned.done, total)
    lockstep.restore()
    return total


def _groups(lockstep: Lockstep, rows: UserRows, plan: UserPlan, users: Sequence[int], workers: int) -> list[list[int]]:
    """The users in groups of like size, largest first, each group within the bounds on memory."""
    ordered = sorted(users, key=lambda user: (-rows.count(user), user))
    if lockstep.others:
        return [[user] for user in ordered]
    groups: list[list[int]] = []
    share = -(-len(ordered) // workers)
    while ordered:
        largest = rows.count(ordered[0])
        width = min(plan.batch_size, largest)
        kept = sum(kernel.elements(plan.steps(largest) * width) for kernel in lockstep.kernels)
        size = max(1, min(share, _ELEMENTS // max(1, kept), _RECORDS // width))
        groups.append(ordered[:size])
        ordered = ordered[size:]
    return groups


def _draws(task: RecordLoss, model: FlatModel, data: Batch, sgd: Sgd, covered: Covered) -> bool:
    """Whether a forward pass draws from PyTorch's own random stream, which all threads share."""
    lockstep = assemble(model, task, sgd, covered)
    users = 1 if lockstep.others else 2
    drawing = _Drawing()  # type: ignore[no-untyped-call]
    with torch.no_grad(), drawing:
        lockstep.begin(users, 1, 1)
        with lockstep.listening():
            losses(task, model.module, take(data, torch.zeros(users, dtype=torch.int64)))
    lockstep.restore()
    return drawing.seen


class _Drawing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notices operations of this thread that draw random numbers without a generator of their own."""

    seen: bool = False  # an operation of that kind was seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and given.get("generator") is None:
            self.seen = True
        return func(*args, **given)


def _twin(model: FlatModel) -> FlatModel:
    """The same model with memory of its own."""
    return FlatModel(copy.deepcopy(model.module), model.vector.dtype)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _told(task: RecordLoss, plan: UserPlan) -> Iterator[None]:
    """Errors without the words of the task or the number of a user; one of memory says what was too large."""
    try:
        with told_by_place(task, 0):
            yield
    except WorkloadFailed as error:
        cause = error.__context__
        if isinstance(cause, MemoryError) or "allocate memory" in str(cause):
            raise WorkloadFailed(
                f"a step of local.batchSize {plan.batch_size} records of one user does not fit in memory",
                where=type(task).__name__,
                remedy="use a smaller local.batchSize, or more memory",
            ) from None
        raise
