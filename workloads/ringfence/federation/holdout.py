"""The hold-out of `spec.evaluation`: rows sealed as public, on which every commit's model is scored for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ringfence.acceptance.accepted import Acceptance
from ringfence.errors import TermsRefused
from ringfence.federation.evaluate import check_metrics, evaluate
from ringfence.schema import DatasetSchema, check_same
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.store.open import Stores
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.training.flat import FlatModel


@dataclass
class Holdout:
    """Opened public rows; encoded by the task at the first score."""

    rows: pa.Table
    schema: DatasetSchema
    metrics: tuple[str, ...]
    target: NDArray[np.float32] | None
    _data: dict[str, torch.Tensor] | None = None

    def score(self, task: Task, model: FlatModel) -> dict[str, str]:
        """The metrics of `model`, as decimal strings."""
        if self._data is None:
            self._data = encode_table(task, self.rows, self.schema)
        before = model.module.training
        model.module.eval()
        try:
            return evaluate(task, model.module, self._data, self.target, self.metrics)
        finally:
            model.module.train(before)


def open_holdout(acceptance: Acceptance, stores: Stores) -> Holdout | None:
    """The job's hold-out, or None. Raises TermsRefused for one that is not public, SchemaMismatch, InvalidInput."""
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
    first = acceptance.participants[0]
    check_same({first.silo: first.manifest.schema_, "evaluation": manifest.schema_})
    check_metrics(wanted.metrics, manifest.schema_)
    rows = open_dataset(store, manifest, None)
    target = manifest.schema_.target(rows) if manifest.schema_.target_column else None
    return Holdout(rows, manifest.schema_, wanted.metrics, target)
