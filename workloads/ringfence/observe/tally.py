"""What one process of a job has done so far: seconds by part and counts, as totals that are served, kept and added up.

Totals are a flat table of names and decimal strings: `<part>Seconds` and `<part>Count` for each part, and the counts by
their own names. Names are closed sets, `SILO` and `COORDINATOR`; none is of a record, a user or a key.

What a silo counts is safe to show: declared numbers of the signed manifest (shards, bytes, rounds), expected examples
(the declared records times the sampling rate, never how many were drawn), and times. Times pass `coarse` first: a step
of DP-SGD takes longer when more records were drawn, and how many were drawn is secret. A whole round's time on a grid
of ten values a decade tells no more than when its update appeared in the bucket, which everybody there sees.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

Totals = dict[str, str]

SILO_PARTS = ("open", "encode", "wait", "train", "seal", "release")
COORDINATOR_PARTS = ("publish", "wait", "aggregate", "checkpoint", "evaluate")
SILO = frozenset(
    {"rounds", "examples", "shards", "shardBytes", "cpuSeconds"}
    | {f"{part}{what}" for part in SILO_PARTS for what in ("Seconds", "Count")}
)
COORDINATOR = frozenset(
    {"rounds", "updates", "missedUpdates", "sentBytes", "receivedBytes"}
    | {f"{part}{what}" for part in COORDINATOR_PARTS for what in ("Seconds", "Count")}
)
LASTING = frozenset(name for name in SILO | COORDINATOR if not name.endswith("Count"))
"""What a status keeps when the pods are gone: it is read by people and stays small."""

_GRID = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)  # the R10 series of ISO 3
_LEAST = Decimal("0.001")
_PLACES = Decimal("0.000001")
_LONGEST = 32


def coarse(seconds: float) -> Decimal:
    """The nearest of ten values a decade (by ratio), at least a millisecond; 0 below that."""
    if seconds < float(_LEAST):
        return Decimal(0)
    exponent = math.floor(math.log10(seconds))
    grid = [*(Decimal(str(one)).scaleb(exponent) for one in _GRID), Decimal(10).scaleb(exponent)]
    nearest = min(grid, key=lambda one: abs(math.log(float(one) / seconds)))
    return max(_LEAST, nearest)


@dataclass(frozen=True)
class Member:
    """A silo as its coordinator sees it: updates in committed rounds, rounds without one, and how long it took to
    answer (seconds, over so many rounds)."""

    updates: int = 0
    missed: int = 0
    answers: int = 0
    seconds: float = 0.0


class Tally:
    """The totals of a silo's process. With a `path` they are written there at every change of part, for whoever serves
    or watches them; a file that cannot be written stops no training."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._totals: dict[str, Decimal] = {}
        self._doing, self._round = "", 0
        self._within: list[float] = []  # seconds spent in parts inside each open part
        self._cpu = time.process_time()

    @contextmanager
    def part(self, name: str, round_: int = 0) -> Iterator[None]:
        """Whatever happens inside is this part's, except what happens in a part inside it."""
        outer, began = (self._doing, self._round), time.monotonic()
        self._doing, self._round = name, round_ or self._round
        self._within.append(0.0)
        self._write()
        try:
            yield
        finally:
            took = time.monotonic() - began
            self._add(f"{name}Seconds", coarse(took - self._within.pop()))
            self._add(f"{name}Count", Decimal(1))
            if self._within:
                self._within[-1] += took
            self._doing = outer[0]
            self._write()

    def count(self, name: str, number: int = 1) -> None:
        """`number` more of a thing that is public."""
        self._add(name, Decimal(number))

    def round_over(self, examples: int) -> None:
        """A round's training is done; it was planned to see `examples` records."""
        self.count("rounds")
        self.count("examples", examples)
        used, self._cpu = time.process_time() - self._cpu, time.process_time()
        self._add("cpuSeconds", coarse(used))

    def totals(self) -> Totals:
        return _strings(self._totals)

    def _add(self, name: str, number: Decimal) -> None:
        self._totals[name] = self._totals.get(name, Decimal(0)) + number

    def _write(self) -> None:
        if self._path is None:
            return
        document = {"doing": self._doing, "round": self._round, "totals": self.totals()}
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.{threading.get_ident()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(document))
            beside.replace(self._path)


def read(path: Path) -> tuple[str, int, Totals]:
    """(what is being done, in which round, totals) as a `Tally` wrote them; ("", 0, {}) where nothing usable is."""
    try:
        found = json.loads(path.read_text())
        return str(found["doing"]), int(found["round"]), known(found["totals"], SILO)
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0, {}


def known(found: object, names: frozenset[str]) -> Totals:
    """The entries of a table that came from elsewhere whose names are in `names` and whose values are numbers."""
    if not isinstance(found, Mapping):
        return {}
    numbers = {name: _number(value) for name, value in found.items() if name in names}
    return _strings({name: number for name, number in numbers.items() if number is not None})


def added(one: Mapping[str, str], other: Mapping[str, str]) -> Totals:
    """The sums of two tables, by name."""
    return _strings({name: Decimal(one.get(name, "0")) + Decimal(other.get(name, "0")) for name in {*one, *other}})


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < 10**15 else None


def _strings(numbers: Mapping[str, Decimal]) -> Totals:
    """Plain decimals with at most six places, sorted by name."""
    return {name: f"{numbers[name].quantize(_PLACES).normalize():f}"[:_LONGEST] for name in sorted(numbers)}
