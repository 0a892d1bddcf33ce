"""The three hospitals with a column that says whose visit a row is: datasets of unit User."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from support.hospitals import SCHEMA, House, patients

from ringfence.schema import DatasetSchema

USERS = 60
LOCAL = {"epochs": "1", "batchSize": 4, "usersPerRound": 12, "optimizer": {"name": "sgd", "learningRate": "0.2"}}
WITH_USERS = DatasetSchema.model_validate(
    {"columns": [*SCHEMA.document()["columns"], {"name": "patient", "type": "identifier", "role": "unit"}]}
)


def visits(records: int, seed: int) -> pa.Table:
    """Patients' rows in mixed order: some have one visit, some many."""
    draw = np.random.default_rng(seed)
    owners = np.concatenate([np.arange(USERS), np.minimum(draw.geometric(0.05, records - USERS) - 1, USERS - 1)])
    names = [f"patient {seed}-{number}" for number in draw.permutation(owners)]
    return patients(records, seed).append_column("patient", [names])


class Clinic(House):
    """Hospitals that count patients instead of visits."""

    def seal(self, silo, rows, **changes):
        seed = [*self.silos, "public"].index(silo)
        return super().seal(silo, visits(self.records, seed), **{"unit": "User:patient", **changes})

    def budget_document(self, silo):
        document = super().budget_document(silo)
        return {**document, "spec": {**document["spec"], "unit": "User"}}


def clinic(root, **changes) -> Clinic:
    job = {"rounds": 2, "roundDeadlineSeconds": 300, "local": LOCAL, **changes.pop("job", {})}
    return Clinic(root, records=240, schema=WITH_USERS, job=job, **changes).build()
