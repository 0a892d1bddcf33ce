"""Which engine trains a silo's rows: by record or by user, as the unit of its dataset says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import torch

from ringfence.errors import InvalidRows, PlanImpossible
from ringfence.federation.locals import local_plan, user_plan
from ringfence.privacy.ledger.entries import PlanRecord
from ringfence.shards.manifest import Manifest
from ringfence.spec.job import FederatedJob
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.training.flat import FlatModel
from ringfence.training.local import train_local
from ringfence.training.userplan import group_users
from ringfence.training.users import UserData, train_users

Engine = Callable[[FlatModel, int], None]
"""(model, round) -> nothing: trains the model in place, as far as it may be released."""


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
            return self.job.spec.local.users_per_round is not None
        return self.manifest.unit.startswith("User:")


def engine(training: Training, rows: pa.Table) -> Engine:
    """The training of a round on the opened `rows`. Raises InvalidTask, InvalidRows, InvalidInput, and
    PlanImpossible for a unit that none protects."""
    if training.reserved is not None and training.manifest.unit == "Silo":
        raise PlanImpossible("no engine here protects a whole silo", where=f"silo {training.silo}")
    job, silo, reserved, task = training.job, training.silo, training.reserved, training.task
    data = encode_table(task, rows, training.manifest.schema_)
    if training.by_user:
        grouped = _by_user(rows, data, training.manifest)
        return lambda model, round_: train_users(task, model, grouped, user_plan(job, silo, round_, reserved))
    records = training.manifest.records
    return lambda model, round_: train_local(task, model, data, local_plan(job, records, silo, round_, reserved))


def _by_user(rows: pa.Table, data: dict[str, torch.Tensor], manifest: Manifest) -> UserData:
    """The encoded rows, each user's together. Raises InvalidInput unless there are as many users as declared."""
    column = rows.column(manifest.unit.partition(":")[2]).combine_chunks()
    if column.null_count:
        raise InvalidRows("there are rows of no user", where=f"dataset {manifest.dataset}")
    codes = column.dictionary_encode().indices.to_numpy().astype("int64")
    order, users = group_users(codes, manifest.units)
    index = torch.from_numpy(order)
    return UserData({name: values[index] for name, values in data.items()}, users)
