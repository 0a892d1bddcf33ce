"""Drift: how the records of one sealed version differ from those of another, by their sealed reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ringfence.quality.figures import decimal_text

_HALF = 0.5  # added to every count, so that an empty bin is rare and not impossible


def drift(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """The population stability index of every column that both reports count, largest first.

    PSI = sum over bins of (q - p) ln(q / p) for the shares p before and q after (Siddiqi 2006, Credit Risk Scorecards):
    below 0.1 little has changed, above 0.25 much.
    """
    found = {}
    for name, column in after["columns"].items():
        old, new = _counts(before["columns"].get(name, {})), _counts(column)
        if old and new and old.keys() == new.keys():
            found[name] = stability([old[bin_] for bin_ in old], [new[bin_] for bin_ in old])
    return {name: decimal_text(found[name]) for name in sorted(found, key=lambda name: (-found[name], name))}


def stability(before: Sequence[int], after: Sequence[int]) -> float:
    """The population stability index of counts in the same bins; 0 for equal shares, never negative."""
    p, q = _shares(before), _shares(after)
    return sum((new - old) * math.log(new / old) for old, new in zip(p, q, strict=True))


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + _HALF * len(counts)
    return [(count + _HALF) / total for count in counts]


def _counts(column: Mapping[str, Any]) -> dict[str, int]:
    if "histogram" in column:
        return {str(place): count for place, count in enumerate(column["histogram"])}
    return dict(column.get("counts", {}))
