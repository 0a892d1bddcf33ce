"""`Statistics`: exact without noise; with it, intervals that cover as often as they say; and refusals in words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.spec.load import parse_document
from ringfence.tasks import Statistics
from ringfence.tasks.encode import encode_table
from ringfence.tasks.intervals import Z, quantile, ratio
from ringfence.tasks.probe import probe
from ringfence.tasks.sums import PARTS, POSITIONS, Noise
from ringfence.tasks.synthetic import synthetic_rows
from ringfence.training.sums import clipped_parts

SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "ward", "type": "category", "values": ["a", "b", "c"]},
            {"name": "urgent", "type": "boolean"},
            {"name": "age", "type": "integer", "minimum": "0", "maximum": "99"},
            {"name": "stay", "type": "number", "minimum": "-10", "maximum": "50"},
            {"name": "who", "type": "identifier", "role": "unit"},
        ]
    }
)
EVERYTHING = Statistics(
    by=["ward", "urgent"],
    of={"stay": ["sum", "mean", "quantiles"], "age": ["histogram"], "urgent": ["mean"], "ward": ["histogram"]},
    at=["0.5", "0.9"],
    bins=12,
)


def released(task: Statistics, rows: pa.Table, std: float = 0.0, seed: int = 0) -> list[dict[str, str]]:
    """The table of one silo, with noise of `std` on every sum (in records)."""
    data = encode_table(task, rows, SCHEMA)
    cells = task.cells(SCHEMA)
    noise = np.random.default_rng(seed).normal(0, std, cells) if std else np.zeros(cells)
    sums = (clipped_parts(data, None, cells, 1.0) + noise) / rows.num_rows
    return task.figures(sums.tolist(), SCHEMA, Noise(rows.num_rows, std))


def figure(table: list[dict[str, str]], statistic: str, column: str = "", group: str = "") -> dict[str, str]:
    (row,) = [row for row in table if (row["statistic"], row["column"], row["group"]) == (statistic, column, group)]
    return row


def test_without_noise_every_figure_is_exact():
    rows = synthetic_rows(SCHEMA, 3000, seed=4)
    table = released(EVERYTHING, rows)
    frame = rows.to_pandas()
    for (ward, urgent), own in frame.groupby(["ward", "urgent"]):
        group = f"ward {ward}, urgent {str(urgent).lower()}"
        exact = {
            ("count", ""): len(own),
            ("sum", "stay"): own.stay.sum(),
            ("mean", "stay"): own.stay.mean(),
            ("mean", "urgent"): float(urgent),
            (f"count of {ward}", "ward"): len(own),
        }
        for (statistic, column), value in exact.items():
            row = figure(table, statistic, column, group)
            assert float(row["value"]) == pytest.approx(value, rel=2e-5, abs=1e-3)
            assert row["low"] == row["value"] == row["high"]
        for level in ("0.5", "0.9"):
            row = figure(table, f"quantile {level}", "stay", group)
            assert float(row["low"]) <= own.stay.quantile(float(level)) <= float(row["high"])
            assert float(row["value"]) == pytest.approx(own.stay.quantile(float(level)), abs=1.0)
        ages = [int(row["value"]) for row in table if row["column"] == "age" and row["group"] == group]
        assert sum(ages) == len(own)
        first = np.histogram(own.age, bins=np.linspace(-0.5, 99.5, 13))[0]
        assert ages == first.tolist()


def test_a_records_part_is_within_1_and_its_sums_are_different_ones():
    data = encode_table(EVERYTHING, synthetic_rows(SCHEMA, 500, seed=1), SCHEMA)
    assert data[PARTS].double().pow(2).sum(1).max() <= 1
    assert all(len(set(row)) == len(row) for row in data[POSITIONS].tolist())
    assert data[POSITIONS].min() >= 0
    assert data[POSITIONS].max() < EVERYTHING.cells(SCHEMA)


def test_every_sum_stands_for_one_thing():
    layout = EVERYTHING.layout(SCHEMA)
    group = np.arange(layout.groups)
    cells = [*group, *(cell for n in range(len(layout.numbers)) for cell in layout.sum_cells(n, group))]
    for number, one in enumerate(layout.binned):
        cells += [cell for bin_ in range(one.bins) for cell in layout.bin_cells(number, group, np.array([bin_]))]
    assert sorted(cells) == list(range(layout.size))


def test_it_is_a_task_like_any_other():
    assert probe(EVERYTHING, SCHEMA).parameters == EVERYTHING.cells(SCHEMA)


@pytest.mark.parametrize("count", [30, 400])
def test_intervals_of_means_cover_as_often_as_they_say(count):
    """4,000 releases of one mean: 95 % of them within 1.1 points, three standard deviations of such a count."""
    draw, std, sum_ = np.random.default_rng(count), 5.0, 0.8 * count
    covered = []
    for noise_sum, noise_count in draw.normal(0, std, (4000, 2)):
        if count + noise_count > Z * std:
            estimate = ratio(sum_ + noise_sum, count + noise_count, std)
            covered.append(estimate.low <= 0.8 <= estimate.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.011)


def test_intervals_of_quantiles_cover_at_least_as_often_as_they_say():
    draw, std, edges = np.random.default_rng(7), 4.0, np.linspace(0, 1, 21)
    rows = draw.beta(2, 5, 800)
    counts, _ = np.histogram(rows, edges)
    for level in (0.25, 0.5, 0.9):
        truth = np.quantile(rows, level)
        found = [quantile((counts + draw.normal(0, std, 20)).tolist(), edges.tolist(), level, std) for _ in range(500)]
        assert np.mean([one.low <= truth <= one.high for one in found]) > 0.93
        assert all(one.low <= one.value <= one.high for one in found)
        assert np.median([one.high - one.low for one in found]) < 0.25


@pytest.mark.parametrize("std", [2.0, 20.0])
@pytest.mark.parametrize("rows", [500, 2000])
def test_the_error_is_the_mechanisms(rows, std):
    """On a count it is the noise, whatever the rows; on a mean it is the noise over the rows."""
    many = Statistics(by=["urgent"], of={"age": ["histogram"], "stay": ["mean"]}, bins=100)
    table = synthetic_rows(SCHEMA, rows, seed=1)
    exact, kinds = released(many, table), 3
    counts, means = [], []
    for seed in range(8):
        for noised, true in zip(released(many, table, std, seed), exact, strict=True):
            if noised["column"] == "age":
                counts.append(float(noised["value"]) - float(true["value"]))
            if noised["column"] == "stay":
                means.append(float(noised["value"]) - float(true["value"]))
    assert np.std(counts) == pytest.approx(std * np.sqrt(kinds), rel=0.05)
    expected = 30 * std * np.sqrt(kinds) / (rows / 2)  # half the range of stay, times noise over a group's rows
    assert np.std(means) == pytest.approx(expected, rel=0.6)


def test_a_group_with_too_few_rows_says_so_by_its_noised_count():
    table = released(
        Statistics(by=["ward"], of={"stay": ["mean"]}), synthetic_rows(SCHEMA, 40, seed=2), std=40.0, seed=3
    )
    notes = [row["note"] for row in table if row["note"]]
    assert notes
    for row in table:
        if row["note"]:
            count = figure(table, "count", group=row["group"])
            words = f"the noised count is {float(count['value']):.0f}, give or take {2 * 40 * np.sqrt(2):.0f}"
            assert row["note"] == f"too few rows to say anything: {words}"
            assert not [one for one in table if one["group"] == row["group"] and one["statistic"] == "mean"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"by": ["age"]}, "rows are grouped by a category or a boolean, and column 'age' is integer"),
        ({"by": ["wards"]}, "the schema declares no column 'wards'"),
        ({"of": {"ward": ["mean"]}}, "sums and means are of numbers and booleans, and column 'ward' is category"),
        ({"of": {"ward": ["quantiles"]}}, "quantiles are of numbers, and column 'ward' is category"),
        (
            {"of": {"who": ["histogram"]}},
            "a histogram needs a declared range or values, and column 'who' is identifier",
        ),
        ({"of": {"stay": ["median"]}}, "of.stay: there is no 'median'"),
        ({"of": ["stay"]}, r"of maps a column to a list such as \[mean, quantiles\]"),
        ({"by": ["ward", "ward"]}, "by names something twice"),
        ({"at": ["1.5"]}, "at lists levels between 0 and 1"),
        ({"at": ["half"]}, "at lists levels between 0 and 1"),
        ({"bins": 1}, "bins is a whole number from 2 to 10000"),
        ({"by": ["ward", "urgent"], "of": {"stay": ["histogram"]}, "bins": 10_000}, None),
    ],
    ids=[f"argument-{number}" for number in range(12)],
)
def test_what_cannot_be_counted_is_refused_in_words(arguments, words):
    if words is None:
        assert Statistics(**arguments).cells(SCHEMA) == 6 * 10_001
        return
    with pytest.raises(Exception, match=words) as caught:
        Statistics(**arguments).cells(SCHEMA)
    assert type(caught.value).__module__ == "ringfence.errors"


def job(**changes: object):
    spec = {
        "task": {"class": "ringfence.tasks:Statistics"},
        "silos": [{"name": "mercy", "dataset": "s3://mercy/rows"}],
        "rounds": 1,
        "local": {"everybody": "Records", "optimizer": {"name": "sgd", "learningRate": "1"}},
        "strategy": {"name": "fedavg"},
        "output": "s3://research/tables",
        **changes,
    }
    head = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "FederatedJob", "metadata": {"name": "counts"}}
    return parse_document({**head, "spec": spec}, "job")


def test_a_job_that_is_not_one_noised_sum_is_refused_with_what_to_write():
    Statistics().check(job().spec)
    wrong = job(
        rounds=5,
        local={"batchSize": 10, "epochs": "2", "optimizer": {"name": "sgd", "learningRate": "0.1"}},
        strategy={"name": "fedavgm"},
        evaluation={"dataset": "s3://public/holdout"},
    )
    with pytest.raises(InvalidTask) as caught:
        Statistics().check(wrong.spec)
    assert caught.value.message == (
        "Statistics is one noised sum over everybody, so it needs rounds: 1, local.everybody: Records (or Users), "
        'local.epochs: "1", local.optimizer: {name: sgd, learningRate: "1"}, strategy: {name: fedavg}, '
        "no evaluation (a table has no score)"
    )


def test_its_loss_is_the_one_whose_gradient_is_minus_the_part():
    data = encode_table(EVERYTHING, synthetic_rows(SCHEMA, 50, seed=5), SCHEMA)
    model = EVERYTHING.model(SCHEMA)
    EVERYTHING.loss(model, data).sum().backward()
    gradient = next(model.parameters()).grad
    expected = clipped_parts(data, None, EVERYTHING.cells(SCHEMA), None)
    torch.testing.assert_close(-gradient.double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)
