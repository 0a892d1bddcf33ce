"""What a silo counts: public numbers and coarse times, kept where others may read them at any moment."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.observe import tally
from ringfence.observe.tally import SILO, Tally, added, coarse, known

GRID = {Decimal(str(step)).scaleb(power) for step in tally._GRID for power in range(-3, 8)} | {Decimal(0)}


@settings(deadline=None)
@given(st.floats(0, 9e6))
def test_every_time_is_one_of_ten_values_a_decade(seconds):
    found = coarse(seconds)
    assert found in GRID
    if seconds >= 0.001:
        assert abs(math.log10(float(found) / seconds)) < 0.0537, "not the nearest"


def test_a_batch_of_a_few_records_more_looks_the_same():
    """2,000 planned records, one deviation of the sample more or less: the same figure is shown nearly everywhere."""
    times = [1.37 * (2000 + drawn) / 2000 for drawn in range(-45, 46)]
    assert {coarse(seconds) for seconds in times} == {Decimal("1.25")}


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tally.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(tally.time, "process_time", lambda: now[0] / 2)

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_time_within_a_part_inside_is_the_inner_parts_alone(clock):
    told = Tally()
    with told.part("release", 1):
        clock(2)
        with told.part("train"):
            clock(8)
        told.round_over(640)
        clock(3)
    assert told.totals() == {
        "cpuSeconds": "5", "examples": "640", "releaseCount": "1", "releaseSeconds": "5", "rounds": "1",
        "trainCount": "1", "trainSeconds": "8",
    }  # fmt: skip


def test_the_file_tells_what_is_being_done_and_what_was(tmp_path, clock):
    path = tmp_path / "far/tally"
    told = Tally(path)
    with told.part("wait", 3):
        assert tally.read(path) == ("wait", 3, {})
        clock(1)
    assert tally.read(path) == ("", 3, {"waitCount": "1", "waitSeconds": "1"})
    assert [one.name for one in path.parent.iterdir()] == ["tally"]


def test_a_part_that_fails_is_counted_and_over(clock):
    told = Tally()
    with pytest.raises(ZeroDivisionError), told.part("train"):
        clock(1)
        raise ZeroDivisionError
    assert told.totals()["trainSeconds"] == "1"


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with Tally(tmp_path / "file" / "tally").part("open"):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"doing": "x", "round": "y", "totals": {}}', "{"])
def test_what_is_no_tally_reads_as_none(tmp_path, text):
    (tmp_path / "tally").write_text(text)
    assert tally.read(tmp_path / "tally") == ("", 0, {})


def test_of_a_strangers_table_only_known_names_and_sane_numbers_are_taken():
    table = {
        "rounds": "3",
        "examples": 7,
        "row": "41",
        "trainSeconds": "nan",
        "waitSeconds": "-1",
        "openSeconds": "1e99",
    }
    assert known(table, SILO) == {"rounds": "3", "examples": "7"}
    assert known("rounds", SILO) == known(None, SILO) == {}


def test_tables_add_by_name():
    assert added({"rounds": "2", "trainSeconds": "0.5"}, {"rounds": "1", "waitSeconds": "0.25"}) == {
        "rounds": "3", "trainSeconds": "0.5", "waitSeconds": "0.25",
    }  # fmt: skip


def test_all_names_of_a_silo_fit_a_status():
    assert len(SILO & tally.LASTING) <= 16 and len(tally.COORDINATOR & tally.LASTING) <= 16
    assert len(json.dumps(dict.fromkeys(SILO, "9" * 18))) < 1500, "too long for a termination message"
