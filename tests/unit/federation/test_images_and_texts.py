"""Images and texts go the whole way: sealed, paid for, trained by silos, and predicted by the model that comes out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from support.hospitals import SILOS, House
from support.threads import ThreadCluster

from ringfence.federation.loaded import load
from ringfence.federation.run import run_job
from ringfence.schema import DatasetSchema

ILL = {"name": "ill", "type": "boolean", "role": "target"}
SCANS = DatasetSchema.model_validate({"columns": [{"name": "scan", "type": "image", "shape": [1, 8, 8]}, ILL]})
NOTES = DatasetSchema.model_validate({"columns": [{"name": "note", "type": "text", "max_length": 80}, ILL]})


def scans(records: int, seed: int) -> pa.Table:
    """Ill are those whose image is bright on the left."""
    draw = np.random.default_rng(seed)
    ill, images = draw.random(records) < 0.5, draw.integers(0, 100, (records, 1, 8, 8), dtype=np.uint8)
    images[ill, :, :, :4] += 120
    images[~ill, :, :, 4:] += 120
    return pa.table({"scan": pa.array([image.tobytes() for image in images], pa.binary(64)), "ill": ill})


def notes(records: int, seed: int) -> pa.Table:
    """Ill are those whose note says bad."""
    draw = np.random.default_rng(seed)
    ill = draw.random(records) < 0.5
    return pa.table({"note": [f"the tea is {'bad bad' if bad else 'good good'}" for bad in ill], "ill": ill})


class Ward(House):
    """Hospitals whose rows `made` makes."""

    made = staticmethod(scans)

    def seal(self, silo, rows, **changes):
        return super().seal(silo, self.made(self.records, [*self.silos, "public"].index(silo)), **changes)


class Clinic(Ward):
    made = staticmethod(notes)


def ran(house: House, task: dict, rate: str):
    local = {"epochs": "1", "batchSize": 40, "optimizer": {"name": "sgd", "learningRate": rate}}
    job = house.manifests(task=task, local=local, rounds=4)
    result = run_job(job, house.options(), cluster=ThreadCluster())
    assert all(house.view(silo).spent_epsilon() > 0 for silo in house.silos)
    return result, load(result.output, house.stores)


def test_images_behind_budgets_are_learned_from_and_predicted(tmp_path):
    house = Ward(tmp_path, records=160, silos=SILOS[:2], schema=SCANS).build()
    task = {"class": "ringfence.tasks:ImageClassifier", "args": {"channels": [8]}}
    result, model = ran(house, task, "1")
    rows = scans(50, 9)
    right = (model.predict(rows).numpy() > 0) == np.array(rows.column("ill").to_pylist())
    assert float(result.metrics["auc"]) > 0.9 and right.mean() > 0.8


def test_texts_behind_budgets_are_learned_from_and_only_adapters_are_in_the_model(tmp_path):
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    from support.small_encoder import WIDTH, small_encoder

    from ringfence.tasks.encoder import digest_of

    folder = small_encoder(tmp_path / "encoder")
    house = Clinic(tmp_path, records=160, silos=SILOS[:2], schema=NOTES).build()
    args = {"encoder": str(folder), "digest": digest_of(folder), "tokens": 8, "rank": 2}
    result, model = ran(house, {"class": "ringfence.tasks:TextClassifier", "args": args}, "1")
    assert float(result.metrics["auc"]) > 0.9
    assert sum(values.numel() for values in model.module.state_dict().values()) == 2 * 2 * WIDTH + WIDTH + 1
    assert model.predict(notes(5, 9)).shape == (5,)
