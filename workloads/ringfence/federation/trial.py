"""A task tried for nothing: rows invented from the declared schema, no key, no ledger, no charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from ringfence.errors import InvalidInput
from ringfence.federation.code import find_code
from ringfence.schema import DatasetSchema, load_schema
from ringfence.shards.manifest import read_manifest
from ringfence.spec.job import FederatedJob
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.tasks.load import load_task
from ringfence.tasks.probe import ProbeResult, probe
from ringfence.tasks.probe_records import with_own
from ringfence.tasks.synthetic import synthetic_rows
from ringfence.training.flat import FlatModel
from ringfence.training.local import LocalPlan, PrivateStep, train_local
from ringfence.training.personal import check_personal
from ringfence.training.userplan import UserPlan, UserRows
from ringfence.training.users import UserData, train_users

_RECORDS, _STEPS, _USERS = 512, 3, 40


@dataclass(frozen=True)
class TrialResult:
    """What the trial found: the model's size, and that both kinds of step work on it."""

    task: str
    code: str
    probe: ProbeResult
    records: int
    steps: int


def try_synthetic(
    manifests: Manifests, *, store: Path | None = None, code: Path | None = None, schema: Path | None = None
) -> TrialResult:
    """Build the task, probe it, and take a few private and a few plain steps on invented rows.

    The schema is the file `schema`, else the one declared by a dataset that the manifests name. Raises InvalidTask with
    the task's own words, which is safe here: no real row is near.
    """
    stores = Stores(store)
    job = manifests.job()
    declared = load_schema(schema) if schema else _declared(manifests, stores)
    package = find_code(job, stores, code)
    torch.manual_seed(job.spec.seed)
    task = load_task(job.spec.task.class_, job.spec.task.args, package.data)
    task.check(job.spec)
    check_personal(task, by_user=job.spec.local.by_user)
    probed = probe(task, declared)
    data = encode_table(task, synthetic_rows(declared, _RECORDS, seed=job.spec.seed), declared)
    alone = with_own(task, task.model(declared), data)
    optimizer = job.spec.local.optimizer
    rate, momentum = float(optimizer.learning_rate), float(optimizer.momentum)
    batch = min(job.spec.local.batch(_RECORDS), _RECORDS)
    clip = float(job.spec.privacy.max_grad_norm) if job.spec.privacy else 1.0
    for private in (PrivateStep(1.0, Fraction(batch, _RECORDS), clip), None):
        model = FlatModel(task.model(declared))
        seed = job.spec.seed if private is None else None
        train_local(task, model, alone, LocalPlan(_STEPS, batch, rate, momentum, private, seed))
    if job.spec.local.by_user:
        _try_users(task, FlatModel(task.model(declared)), data, job)
    return TrialResult(job.spec.task.class_, package.digest, probed, _RECORDS, _STEPS)


def _try_users(task: Task, model: FlatModel, data: Mapping[str, torch.Tensor], job: FederatedJob) -> None:
    """A round of a few invented users, each with some of the rows, as the job would train them without privacy."""
    rows = UserRows(np.linspace(0, _RECORDS, _USERS + 1).astype(np.int64))
    local, optimizer = job.spec.local, job.spec.local.optimizer
    rate, momentum = float(optimizer.learning_rate), float(optimizer.momentum)
    plan = UserPlan(_USERS, Fraction(local.epochs), local.batch(_RECORDS), rate, momentum, seed=job.spec.seed)
    train_users(task, model, UserData(data, rows), plan)


def _declared(manifests: Manifests, stores: Stores) -> DatasetSchema:
    """The schema of the first dataset that the manifests name and whose manifest can be read."""
    job = manifests.job()
    known = {(one.metadata.namespace, one.metadata.name): one.spec.dataset for one in manifests.budgets}
    urls = [
        silo.dataset or known.get((silo.budget_ref.namespace, silo.budget_ref.name) if silo.budget_ref else ("", ""))
        for silo in job.spec.silos
    ]
    urls.append(job.spec.evaluation.dataset if job.spec.evaluation else None)
    url = next((url for url in urls if url), None)
    if url is None:
        raise InvalidInput(
            "no declared schema to invent rows from",
            where=f"job {job.metadata.name}",
            remedy="name a schema file with --schema, or add the budgets' manifests",
        )
    return read_manifest(stores.open(url), signer=None, where=url).schema_
