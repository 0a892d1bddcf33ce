"""The rounds of a report, read from the coordinator's dicts: the one place where decimals become floats to draw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ringfence.errors import InvalidInput


@dataclass(frozen=True)
class Round:
    """One round: its seconds in all and by part, its members, and the metrics measured after it, if any."""

    number: int
    seconds: float
    members: tuple[str, ...]
    metrics: Mapping[str, float]
    parts: Mapping[str, float]

    def part(self, name: str) -> float:
        """Seconds of a part; `other` is what no named part accounts for."""
        known = sum(value for part, value in self.parts.items() if part != "other")
        return max(0.0, self.seconds - known) if name == "other" else self.parts.get(name, 0.0)


def read(rounds: Iterable[Mapping[str, Any]]) -> list[Round]:
    """The rounds in order. Raises InvalidInput naming the round and the field that is missing or no number."""
    return sorted((_round(entry) for entry in rounds), key=lambda entry: entry.number)


def _round(entry: Mapping[str, Any]) -> Round:
    number = entry.get("round")
    if type(number) is not int:
        raise InvalidInput("each round needs its number", where="rounds")
    where = f"rounds[{number}]"
    seconds = _number(entry.get("seconds"), f"{where}.seconds")
    metrics = {str(name): _number(value, f"{where}.metrics") for name, value in (entry.get("metrics") or {}).items()}
    parts = {str(name): _number(value, f"{where}.parts") for name, value in (entry.get("parts") or {}).items()}
    if any(not value >= 0 or math.isinf(value) for value in (seconds, *parts.values())):
        raise InvalidInput("seconds must be finite and at least 0", where=where)
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}  # undefined: a gap in the curve
    return Round(number, seconds, tuple(str(name) for name in entry.get("members", ())), finite, parts)


def _number(value: object, where: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise InvalidInput("not a number", where=where) from error
