"""`Forecaster`: last season's value before it learns, better than it afterwards, refused without a season."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidTask
from ringfence.quality import Windows, clean, windows
from ringfence.schema import DatasetSchema
from ringfence.tasks import Forecaster
from ringfence.tasks.encode import encode_table
from ringfence.tasks.probe import probe
from ringfence.training.flat import FlatModel
from ringfence.training.local import LocalPlan, train_local

RANGE = {"type": "number", "minimum": "0", "maximum": "100"}
LAGS = [{"name": f"lag_{lag}", **RANGE} for lag in range(7, 0, -1)]
SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "riders", "role": "target", **RANGE},
            {"name": "weekday", "type": "category", "values": ["0", "1", "2", "3", "4", "5", "6"]},
            *LAGS,
            {"name": "temperature", "type": "number", "minimum": "-30", "maximum": "40"},
        ]
    }
)


def riders(days: int) -> pa.Table:
    """Weekday and weekend, and a drift that yesterday tells of and last week does not."""
    draw = np.random.default_rng(0)
    start, drift, found = date(2024, 1, 1), 0.0, []
    for number in range(days):
        day = start + timedelta(days=number)
        drift = 0.97 * drift + draw.normal(0, 3)
        value = (60 if day.weekday() < 5 else 30) + drift + draw.normal(0, 1)
        found.append(("a", day, float(np.clip(value, 0, 100)), str(day.weekday()), 10.0))
    station, day, value, weekday, warm = zip(*found, strict=True)
    return pa.table({"station": station, "day": day, "riders": value, "weekday": weekday, "temperature": warm})


def encoded(days: int = 1500) -> dict[str, torch.Tensor]:
    cut = windows(riders(days), Windows(series="station", time="day", value="riders", past=7))
    return encode_table(Forecaster("lag_7"), clean(cut.rows.select(SCHEMA.arrow_schema().names), SCHEMA).table, SCHEMA)


def rmse(task: Forecaster, model: torch.nn.Module, data: dict[str, torch.Tensor]) -> float:
    with torch.no_grad():
        truth = 50 + 50 * data["target"]
        return float((task.predict(model, data) - truth).pow(2).mean().sqrt())


def test_before_it_learns_it_says_what_was_a_season_ago_and_then_it_learns_more():
    task, data = Forecaster("lag_7"), encoded()
    torch.manual_seed(0)
    model = FlatModel(task.model(SCHEMA))
    with torch.no_grad():
        assert torch.equal(task.predict(model.module, data), 50 + 50 * data["season"])
    before = rmse(task, model.module, data)
    train_local(task, model, data, LocalPlan(300, 128, 0.5, 0.9, None, seed=1))
    assert rmse(task, model.module, data) < 0.75 * before


def test_it_holds_together():
    assert probe(Forecaster("lag_7", hidden=[]), SCHEMA).parameters == 8 + 7 * 7 + 7 + 1


@pytest.mark.parametrize(
    ("season", "words"),
    [
        ("lag_8", "the schema declares no column 'lag_8'"),
        ("temperature", "column 'temperature' is not a feature with the range of the target 'riders'"),
        ("riders", "column 'riders' is not a feature with the range of the target 'riders'"),
        ("weekday", "column 'weekday' is not a feature with the range of the target 'riders'"),
    ],
)
def test_a_season_that_is_none_is_refused(season, words):
    with pytest.raises(Exception, match=words) as caught:
        Forecaster(season).model(SCHEMA)
    assert caught.value.remedy


def test_without_a_number_to_forecast_it_is_refused():
    schema = DatasetSchema.model_validate({"columns": LAGS})
    with pytest.raises(InvalidTask, match="a target of type number or integer, but none is declared"):
        Forecaster("lag_7").model(schema)
