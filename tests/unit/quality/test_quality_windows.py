"""Windows over series: what stands where, gaps refused or dropped with their number, and never a silent one."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from ringfence.errors import InvalidInput, InvalidRows
from ringfence.quality import Windows, windows

HOW = Windows(series="station", time="day", value="riders", past=2)


def rows(times: dict[str, list[int]], missing: tuple[tuple[str, int], ...] = ()) -> pa.Table:
    """Riders are 100 a station plus the day."""
    found = [(name, day, None if (name, day) in missing else 100.0 * number + day)
             for number, (name, days) in enumerate(times.items()) for day in days]  # fmt: skip
    station, day, riders = zip(*found, strict=True)
    return pa.table({"station": station, "day": day, "riders": pa.array(riders, pa.float64())})


def test_a_window_holds_what_came_before_and_what_came_next_of_its_own_series():
    found = windows(rows({"a": [4, 1, 3, 2], "b": [7, 8, 9]}), HOW)
    assert found.rows.select(["station", "day", "lag_2", "lag_1", "riders"]).to_pylist() == [
        {"station": "a", "day": 3, "lag_2": 1, "lag_1": 2, "riders": 3},
        {"station": "a", "day": 4, "lag_2": 2, "lag_1": 3, "riders": 4},
        {"station": "b", "day": 9, "lag_2": 107, "lag_1": 108, "riders": 109},
    ]
    assert found.dropped == 0


def test_with_a_stride_of_its_length_every_point_is_in_one_window():
    how = Windows(series="station", time="day", value="riders", past=3, ahead=2, stride=5)
    found = windows(rows({"a": list(range(23))}), how).rows
    seen = [value for row in found.to_pylist() for value in (row["lag_3"], row["lag_2"], row["lag_1"], row["riders"])]
    assert len(seen) == len(set(seen)) == 4 * 4
    assert found["riders"].to_pylist() == [4, 9, 14, 19]


def test_dates_are_days():
    days = [date(2024, 2, 27) + timedelta(days=n) for n in range(4)]
    table = pa.table({"station": ["a"] * 4, "day": days, "riders": [1, 2, 3, 4]})
    assert windows(table, HOW).rows["day"].to_pylist() == [date(2024, 2, 29), date(2024, 3, 1)]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (rows({"a": [1, 2, 5, 6], "b": [1, 2, 3]}), "the 2 series have 1 gaps in time and 0 missing values"),
        (rows({"a": [1, 2, 3]}, missing=(("a", 2),)), "the 1 series have 0 gaps in time and 1 missing values"),
    ],
    ids=["a step", "a value"],
)
def test_a_gap_is_refused_with_counts_and_a_way_out(table, words):
    with pytest.raises(InvalidRows, match=words) as caught:
        windows(table, HOW)
    assert 'gaps="drop"' in caught.value.remedy
    assert "'a'" not in str(caught.value)


def test_dropped_windows_are_those_with_a_gap_and_are_counted():
    how = Windows(series="station", time="day", value="riders", past=2, gaps="drop")
    found = windows(rows({"a": [1, 2, 3, 5, 6, 7, 8]}, missing=(("a", 8),)), how)
    assert found.rows["day"].to_pylist() == [3, 7]
    assert found.dropped == 3


def test_a_step_is_as_long_as_declared():
    how = Windows(series="station", time="day", value="riders", past=2, step=7)
    assert windows(rows({"a": [0, 7, 14, 21]}), how).rows["day"].to_pylist() == [14, 21]
    with pytest.raises(InvalidRows, match="1 gaps in time"):
        windows(rows({"a": [0, 7, 15, 22]}), how)


def test_two_rows_at_one_time_and_no_rows_are_refused():
    with pytest.raises(InvalidRows, match="1 rows stand at a time at which their series has a row already"):
        windows(rows({"a": [1, 2, 2, 3]}), HOW)
    with pytest.raises(InvalidRows, match="there are no rows"):
        windows(rows({"a": [1]}).slice(0, 0), HOW)


def test_times_that_are_none_are_refused():
    table = pa.table({"station": ["a", "a"], "day": [1.5, 2.5], "riders": [1, 2]})
    with pytest.raises(InvalidRows, match="column 'day' is not a date or a whole number in every row"):
        windows(table, HOW)


def test_a_series_shorter_than_a_window_gives_none():
    assert windows(rows({"a": [1, 2], "b": [1, 2, 3]}), HOW).rows["station"].to_pylist() == ["b"]


def test_nothing_below_one_step():
    with pytest.raises(InvalidInput, match="stride is a whole number of at least 1, not 0"):
        Windows(series="station", time="day", value="riders", past=2, stride=0)
