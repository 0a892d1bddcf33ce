"""Several sources of one silo become one table, by record: names, units, codes and time zones are harmonised."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ringfence.errors import InvalidInput, InvalidRows
from ringfence.quality.fusion import fuse
from ringfence.quality.mapping import SourceMapping, load_mapping

MAPPING = """
sources:
  stays: {path: stays.csv, key: PATIENT}
  labs: {path: labs.csv, key: patient}
columns:
  patient: {from: stays.PATIENT}
  weight: {from: labs.weight_lb, multiply: "0.45359237"}
  fahrenheit: {from: labs.celsius, multiply: "1.8", add: "32"}
  ward: {from: stays.WARD, codes: {"1": surgery, "2": medicine}}
  hour: {from: stays.ADMITTED, time_zone: Europe/Berlin, part: hour}
"""
STAYS = pa.table(
    {
        "PATIENT": [7, 8, 9, 7],
        "WARD": [1, 2, 3, 1],
        "ADMITTED": ["2024-01-31 23:30:00", "2024-07-01 08:00:00", None, "2024-02-01 00:15:00"],
    }
)
LABS = pa.table({"patient": ["8", "7", "5"], "weight_lb": ["100", "200", "1"], "celsius": [37.0, 40.0, 0.0]})


def mapping(tmp_path: Path, text: str = MAPPING) -> SourceMapping:
    (tmp_path / "sources.yaml").write_text(text)
    return load_mapping(tmp_path / "sources.yaml")


def test_each_record_gets_what_belongs_to_it_and_nothing_else(tmp_path):
    fused = fuse(mapping(tmp_path), {"stays": STAYS, "labs": LABS})
    rows = fused.table.to_pydict()
    assert rows["patient"] == [7, 8, 9, 7]
    assert rows["weight"] == pytest.approx([90.718474, 45.359237, None, 90.718474], nan_ok=True)
    assert rows["fahrenheit"] == [104.0, pytest.approx(98.6), None, 104.0]
    assert rows["ward"] == ["surgery", "medicine", None, "surgery"]
    assert rows["hour"] == [23, 8, None, 0]


def test_one_record_of_a_source_never_changes_anothers(tmp_path):
    whole = fuse(mapping(tmp_path), {"stays": STAYS, "labs": LABS}).table
    for place in range(STAYS.num_rows):
        alone = fuse(mapping(tmp_path), {"stays": STAYS.slice(place, 1), "labs": LABS}).table
        assert alone.to_pydict() == whole.slice(place, 1).to_pydict()


def test_the_lineage_of_every_column_is_kept(tmp_path):
    lineage = fuse(mapping(tmp_path), {"stays": STAYS, "labs": LABS}).lineage
    assert lineage["weight"] == "labs.weight_lb, times 0.45359237"
    assert lineage["ward"] == "stays.WARD, 2 codes replaced"
    assert lineage["hour"] == "stays.ADMITTED, in Europe/Berlin, its hour"
    assert lineage["patient"] == "stays.PATIENT"


def test_times_with_a_zone_of_their_own_are_converted(tmp_path):
    rule = "sources: {s: {path: s.csv}}\ncolumns: {hour: {from: s.t, time_zone: Europe/Berlin, part: hour}}"
    times = pa.array([1706736600], pa.timestamp("s", tz="UTC"))  # 2024-01-31 21:30 UTC
    assert fuse(mapping(tmp_path, rule), {"s": pa.table({"t": times})}).table.to_pydict() == {"hour": [22]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((LABS, "patient", ["7", "7", "5"]), "source 'labs' has several rows for one value of its key 'patient'"),
        (
            (LABS, "weight_lb", ["100", "heavy", "1"]),
            "column 'weight': labs.weight_lb holds values that are no numbers",
        ),
        ((STAYS, "ADMITTED", ["yesterday", None, None, None]), "stays.ADMITTED holds values that are no times"),
    ],
    ids=["key-twice", "no-number", "no-time"],
)
def test_values_that_a_rule_cannot_work_on_are_refused_and_never_quoted(tmp_path, change, expected):
    table, column, values = change
    broken = table.set_column(table.column_names.index(column), column, pa.array(values))
    tables = {"stays": broken, "labs": LABS} if table is STAYS else {"stays": STAYS, "labs": broken}
    with pytest.raises(InvalidRows) as refused:
        fuse(mapping(tmp_path), tables)
    assert expected in str(refused.value)
    assert "heavy" not in str(refused.value) and "yesterday" not in str(refused.value)


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    with pytest.raises(InvalidRows, match=r"source 'labs' has no column 'weight_lb'.*did you mean 'weight_lbs'"):
        fuse(mapping(tmp_path), {"stays": STAYS, "labs": LABS.rename_columns(["patient", "weight_lbs", "celsius"])})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources: {a: {path: a.csv}, b: {path: b.csv, key: k}}\ncolumns: {x: {from: a.x}}", "each needs a key"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: c.x}}", "comes from 'c', which is no source (known: a)"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: a.x, time_zone: Berlin}}", "'Berlin' is not a time zone"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: a.x, multiply: '0'}}", "multiply by 0 would erase"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: a.x, multiply: nan}}", "is not finite"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: a.x, add: '1', part: hour}}", "exclude each other"),
        ("sources: {a: {path: a.csv}}\ncolumns: {x: {from: a.x, colour: red}}", "columns.x.colour"),
        ("sources: [", "cannot be read as YAML"),
    ],
    ids=["no-key", "no-source", "no-zone", "zero", "nan", "both", "unknown", "broken"],
)
def test_a_wrong_mapping_is_refused_by_its_place(tmp_path, text, expected):
    with pytest.raises(InvalidInput) as refused:
        mapping(tmp_path, text)
    assert expected in str(refused.value) and "sources.yaml" in refused.value.where
