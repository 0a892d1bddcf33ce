"""Ratings through the whole path: by user, scored by user, and refused where no row is known to be whose."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from support.audit import check_job
from support.clinic import Clinic
from support.threads import ThreadCluster

from ringfence.errors import InvalidInput, InvalidTask
from ringfence.federation.engines import Training, engine
from ringfence.federation.holdout import Holdout
from ringfence.federation.run import run_job
from ringfence.schema import DatasetSchema
from ringfence.tasks import Recommender
from ringfence.training.flat import FlatModel

SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "reader", "type": "identifier", "role": "unit"},
            {"name": "book", "type": "category", "values": ["a", "b", "c", "d"]},
            {"name": "stars", "type": "number", "role": "target", "minimum": "1", "maximum": "5"},
        ]
    }
)
WORTH = {"a": 4.5, "b": 3.5, "c": 2.5, "d": 1.5}


def ratings(readers: int, seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    rows = [
        (f"reader {seed}-{reader}", book, float(np.clip(WORTH[book] + draw.normal(0, 0.3), 1, 5)))
        for reader in range(readers)
        for book in draw.permutation(list(WORTH))
    ]
    return pa.table(dict(zip(("reader", "book", "stars"), map(list, zip(*rows, strict=True)), strict=True)))


class Library(Clinic):
    """Three libraries with readers; the hold-out's unit is the reader too."""

    def seal(self, silo, rows, **changes):
        seed = [*self.silos, "public"].index(silo)
        return super(Clinic, self).seal(silo, ratings(40, seed), **{"unit": "User:reader", **changes})


def test_a_private_job_of_readers_is_charged_by_user_and_scored_by_what_their_first_ratings_tell(tmp_path):
    job = {
        "task": {"class": "ringfence.tasks:Recommender", "args": {"factors": 0}},
        "local": {"everybody": "Users", "optimizer": {"name": "sgd", "learningRate": "20"}},
        "rounds": 4,
        "privacy": {"epsilon": "4", "delta": "1e-5", "maxGradNorm": "0.5"},
        "strategy": {"name": "fedavg"},
        "roundDeadlineSeconds": 300,
    }
    library = Library(tmp_path, schema=SCHEMA, job=job).build()
    document = library.job_document()
    document["spec"]["evaluation"] = {"dataset": library.url("public"), "metrics": ["rmse"]}
    library.job_document = lambda: document
    result = run_job(library.manifests(), library.options(), cluster=ThreadCluster())
    check_job(library, result.uid, 4)
    assert result.statement["statement"]["unit"] == "User"
    assert Decimal(result.metrics["rmse"]) < Decimal("1.0")  # without books' biases it is their spread, 1.1
    model = result.model()
    assert [name for name, _ in model.module.named_parameters()] == ["items.weight"]
    known = pa.table({"reader": ["x"], "book": ["b"], "stars": [3.5]})
    asked = pa.table({"reader": ["x", "x"], "book": ["a", "d"], "stars": [1.0, 1.0]})
    first, last = model.predict(asked, known).tolist()
    assert first > last
    with pytest.raises(InvalidInput, match="needs the rows that the user is known by"):
        model.predict(asked)


def test_the_silo_refuses_it_on_rows_that_are_protected_by_record():
    manifest = SimpleNamespace(unit="Record", schema_=SCHEMA, records=160, units=0, dataset="d")
    training = Training(None, "mercy", manifest, SimpleNamespace(steps_per_round=1), Recommender())
    with pytest.raises(InvalidTask, match="so the unit must be the user"):
        engine(training, ratings(40, 1))


def test_a_holdout_that_does_not_say_whose_rows_are_whose_is_refused():
    holdout = Holdout(ratings(4, 1), SCHEMA, ("rmse",), SCHEMA.target(ratings(4, 1)), "Record")
    with pytest.raises(InvalidInput, match="the hold-out does not say whose rows are whose") as caught:
        holdout.check(Recommender())
    assert caught.value.remedy == "seal the hold-out with --public --unit User:COLUMN"


def test_mixed_rows_of_a_holdout_are_scored_as_rows_in_order():
    """The second half of each reader's rows, wherever the rows of others stand between them."""
    rows = ratings(12, 3)
    order = np.arange(4)[:, None] + 4 * np.random.default_rng(0).permutation(12)
    shuffled = rows.take(pa.array(order.ravel()))
    task = Recommender(1)
    torch.manual_seed(1)
    model = FlatModel(task.model(SCHEMA))
    scores = [
        Holdout(table, SCHEMA, ("rmse",), SCHEMA.target(table), "User:reader").score(task, model)
        for table in (rows, shuffled)
    ]
    assert scores[0] == scores[1]
