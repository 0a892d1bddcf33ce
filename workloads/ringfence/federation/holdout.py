"""The hold-out of `spec.evaluation`: rows sealed as public, on which every commit's model is scored for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ringfence.acceptance.accepted import Acceptance
from ringfence.acceptance.participant import check_terms
from ringfence.errors import InvalidInput, TermsRefused
from ringfence.federation.engines import codes_of
from ringfence.federation.evaluate import check_metrics, evaluate
from ringfence.schema import DatasetSchema, check_same
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.store.open import Stores
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.training.batches import take
from ringfence.training.flat import FlatModel
from ringfence.training.personal import is_personal, second_halves
from ringfence.training.userplan import group_users


@dataclass
class Holdout:
    """Opened public rows; encoded by the task at the first score. `unit` is the hold-out's own, such as User:reader."""

    rows: pa.Table
    schema: DatasetSchema
    metrics: tuple[str, ...]
    target: NDArray[np.float32] | None
    unit: str = "Record"
    _data: dict[str, torch.Tensor] | None = None

    def score(self, task: Task, model: FlatModel) -> dict[str, str]:
        """The metrics of `model`, as decimal strings.

        A task that works something out by user is given the first half of each user's rows, and scored on the rest.
        """
        if self._data is None:
            self._data = encode_table(task, self.rows, self.schema)
        before = model.module.training
        model.module.eval()
        try:
            if is_personal(task):
                return self._second_halves(task, model)
            return evaluate(task, model.module, self._data, self.target, self.metrics)
        finally:
            model.module.train(before)

    def check(self, task: Task) -> None:
        """Raises InvalidInput for a task that works something out by user where no row is known to be whose."""
        if is_personal(task) and not self.unit.startswith("User:"):
            raise InvalidInput(
                f"{type(task).__name__} is scored by user, and the hold-out does not say whose rows are whose",
                where="spec.evaluation.dataset",
                remedy="seal the hold-out with --public --unit User:COLUMN",
            )

    def _second_halves(self, task: Task, model: FlatModel) -> dict[str, str]:
        order, users = group_users(codes_of(self.rows, self.unit), None)
        records = take(self._data or {}, torch.from_numpy(order))
        asked, places = second_halves(task, model.module, records, users)
        if not len(places):
            raise InvalidInput("no user of the hold-out has two rows", where="spec.evaluation.dataset")
        target = None if self.target is None else self.target[order[places.numpy()]]
        return evaluate(task, model.module, asked, target, self.metrics)


def open_holdout(acceptance: Acceptance, stores: Stores) -> Holdout | None:
    """The job's hold-out, or None. Raises TermsRefused for one that is not public or whose own terms forbid the job,
    SchemaMismatch, InvalidInput.

    What was trained on rows without a target may be scored on rows with one.
    """
    wanted = acceptance.job.spec.evaluation
    if wanted is None:
        return None
    store = stores.open(wanted.dataset)
    manifest = read_manifest(store, signer=None, where=wanted.dataset)
    if not manifest.public:
        raise TermsRefused(
            "the hold-out is private: a score on it would be a release that nothing pays for",
            where=wanted.dataset,
            remedy="seal a hold-out with --public",
        )
    check_terms(acceptance.job, "the hold-out", wanted.dataset, manifest)
    first = acceptance.participants[0]
    trained, scored = first.manifest.schema_, manifest.schema_
    check_same({first.silo: trained, "evaluation": scored if trained.target_column else scored.without_target()})
    check_metrics(wanted.metrics, manifest.schema_)
    rows = open_dataset(store, manifest, None)
    target = manifest.schema_.target(rows) if manifest.schema_.target_column else None
    return Holdout(rows, manifest.schema_, wanted.metrics, target, manifest.unit)
