"""Which engine trains a silo's rows: by record or by user, as the unit of its dataset says, or as one noised sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ringfence.errors import InvalidRows, PlanImpossible
from ringfence.federation.locals import local_plan, private_step, user_plan
from ringfence.privacy.ledger.entries import PlanRecord
from ringfence.privacy.planner import GAUSSIAN
from ringfence.shards.manifest import Manifest
from ringfence.spec.job import FederatedJob
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.tasks.sums import Sums
from ringfence.training.flat import FlatModel
from ringfence.training.local import train_local
from ringfence.training.personal import check_personal
from ringfence.training.sums import SumPlan, train_sums
from ringfence.training.userplan import group_users
from ringfence.training.users import UserData, train_users
from ringfence.training.whole import clipped

Engine = Callable[[FlatModel, int], torch.Tensor]
"""(model, round) -> the update [P], as far as it may leave the silo; the model is used up."""


@dataclass(frozen=True)
class Training:
    """What a silo trains and under which plan; `reserved` is None exactly for rows that were sealed as public."""

    job: FederatedJob
    silo: str
    manifest: Manifest
    reserved: PlanRecord | None
    task: Task

    @property
    def by_user(self) -> bool:
        """With a reservation the signed unit decides, whatever the job says; public rows follow the job."""
        if self.reserved is None:
            return self.job.spec.local.by_user
        return self.manifest.unit.startswith("User:")

    @property
    def whole(self) -> bool:
        """Whether the silo as a whole is protected: it clips its update, and the coordinator draws the noise."""
        return self.reserved is not None and self.manifest.unit == "Silo"


def engine(training: Training, rows: pa.Table) -> Engine:
    """The training of a round on the opened `rows`. Raises InvalidTask, InvalidRows, InvalidInput, and
    PlanImpossible for a plan or a task that does not fit the unit."""
    bound = _clip(training)
    train = _trainer(training, rows)

    def update(model: FlatModel, round_: int) -> torch.Tensor:
        start = model.copy()
        train(model, round_)
        change = model.vector - start
        return change if bound is None else clipped(change, bound)

    return update


def _clip(training: Training) -> float | None:
    """The clip of the whole update, for unit Silo. Raises PlanImpossible unless the plan is of that unit."""
    reserved, where = training.reserved, f"silo {training.silo}"
    if not training.whole or reserved is None:
        return None
    if (reserved.mechanism, Fraction(reserved.sampling_rate), reserved.steps_per_round) != (GAUSSIAN, Fraction(1), 1):
        raise PlanImpossible("the reservation is not for one sum over whole silos a round", where=where)
    if isinstance(training.task, Sums):
        raise PlanImpossible(
            "its unit is Silo, and a task of sums protects records or users",
            where=where,
            remedy="use a task that trains a model, or a dataset of unit Record or User",
        )
    return private_step(reserved).max_grad_norm


def _trainer(training: Training, rows: pa.Table) -> Callable[[FlatModel, int], None]:
    """Trains the model in place. A whole silo trains as if its rows were public: what leaves is clipped and noised."""
    job, silo, reserved, task = training.job, training.silo, training.reserved, training.task
    check_personal(task, by_user=training.by_user)
    data = encode_table(task, rows, training.manifest.schema_)
    if training.by_user:
        grouped = _by_user(rows, data, training.manifest)
        if isinstance(task, Sums):
            by_user = sum_plan(training)
            return lambda model, round_: train_sums(model, grouped.records, grouped.rows.owners(), by_user)
        return lambda model, round_: train_users(
            task, model, grouped, user_plan(job, training.manifest, silo, round_, reserved)
        )
    if isinstance(task, Sums):
        by_record = sum_plan(training)
        return lambda model, round_: train_sums(model, data, None, by_record)
    records, reserved = training.manifest.records, None if training.whole else reserved
    return lambda model, round_: train_local(task, model, data, local_plan(job, records, silo, round_, reserved))


def sum_plan(training: Training) -> SumPlan:
    """The one sum of a round, clipped and noised as reserved."""
    manifest, reserved = training.manifest, training.reserved
    units = manifest.units if training.by_user else manifest.records
    return SumPlan(units, reserved.steps_per_round if reserved else 1, private_step(reserved) if reserved else None)


def _by_user(rows: pa.Table, data: dict[str, torch.Tensor], manifest: Manifest) -> UserData:
    """The encoded rows, each user's together. Raises InvalidInput unless there are as many users as declared."""
    order, users = group_users(codes_of(rows, manifest.unit), manifest.units)
    index = torch.from_numpy(order)
    return UserData({name: values[index] for name, values in data.items()}, users)


def codes_of(rows: pa.Table, unit: str) -> NDArray[np.int64]:
    """A number for the user of each row [N], by the column that a unit such as User:reader names."""
    column = rows.column(unit.partition(":")[2]).combine_chunks()
    if column.null_count:
        raise InvalidRows("there are rows of no user", where=f"column {unit.partition(':')[2]!r}")
    found: NDArray[np.int64] = column.dictionary_encode().indices.to_numpy().astype("int64")
    return found
