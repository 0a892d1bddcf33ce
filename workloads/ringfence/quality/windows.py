"""A series in long form (whose, when, how much) -> windows, one a row: what was seen before, and what came next.

An owner does it before sealing, for each series by itself. What a guarantee protects follows from how windows lie: a
point of time stands in as many of them as overlap there. With `stride` at least the length of a window, none overlap,
and unit Record protects every point; with a smaller one a point is in up to ceil(length / stride) windows, whose
guarantees compose. Unit User:<series> protects a whole series (a vehicle, a station) whatever the stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringfence.errors import InvalidInput, InvalidRows

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """`past` values become columns lag_<past> ... lag_1, and the value `ahead` steps after lag_1 becomes `value`.

    `series`, `time` and `value` name columns; times are whole numbers or dates, one `step` (days for dates) apart.
    A window begins every `stride` steps. `gaps`: `refuse`, or `drop` every window that a missing step or value is in.
    """

    series: str
    time: str
    value: str
    past: int
    ahead: int = 1
    stride: int = 1
    step: int = 1
    gaps: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("past", "ahead", "stride", "step"):
            if getattr(self, name) < 1:
                raise InvalidInput(
                    f"{name} is a whole number of at least 1, not {getattr(self, name)}", where="windows"
                )

    @property
    def length(self) -> int:
        """Steps from the first value of a window to its last."""
        return self.past + self.ahead


@dataclass(frozen=True)
class Cut:
    """The windows, and how many a gap cost."""

    rows: pa.Table
    dropped: int


def windows(rows: pa.Table, how: Windows) -> Cut:
    """One row a window, in order of series and time, with lags, and every column of the row that the window ends with.

    Raises InvalidRows, with counts alone, for no rows, for two of one series at one
    time, and for gaps unless they are dropped.
    """
    if not rows.num_rows:
        raise InvalidRows("there are no rows", where="windows")
    ordered = rows.sort_by([(how.series, "ascending"), (how.time, "ascending")])
    times, first = _times(ordered, how)
    values = ordered[how.value].to_numpy(zero_copy_only=False).astype(np.float64)
    starts = np.concatenate([np.arange(a, b - how.length + 1, how.stride) for a, b in _series(first, len(times))])
    starts = starts.astype(np.int64)
    inside = starts[:, None] + np.arange(how.length)
    whole = (np.diff(times[inside], axis=1) == how.step).all(axis=1) & np.isfinite(values[inside]).all(axis=1)
    _refuse_gaps(times, values, first, how)
    kept = inside[whole]
    result = ordered.take(pa.array(kept[:, -1] if len(kept) else np.empty(0, dtype=np.int64)))
    for lag in range(how.past, 0, -1):
        result = result.append_column(f"lag_{lag}", pa.array(values[kept[:, how.past - lag]]))
    return Cut(result, int((~whole).sum()))


def _times(ordered: pa.Table, how: Windows) -> tuple[Places, Places]:
    """Each row's time, and where each series begins."""
    column = ordered[how.time].combine_chunks()
    if pa.types.is_temporal(column.type):
        column = pc.cast(pc.cast(column, pa.date32()), pa.int32())
    if not pa.types.is_integer(column.type) or column.null_count:
        raise InvalidRows(f"column {how.time!r} is not a date or a whole number in every row", where="windows")
    times = column.to_numpy().astype(np.int64)
    codes = ordered[how.series].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    first = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])).astype(np.int64)
    same = np.ones(len(times), dtype=bool)
    same[first] = False
    again = int((same[1:] & (np.diff(times) == 0)).sum())
    if again:
        raise InvalidRows(f"{again} rows stand at a time at which their series has a row already", where="windows")
    return times, first


def _series(first: Places, rows: int) -> list[tuple[int, int]]:
    edges = [*first.tolist(), rows]
    return list(pairwise(edges))


def _refuse_gaps(times: Places, values: NDArray[np.float64], first: Places, how: Windows) -> None:
    missing = int((~np.isfinite(values)).sum())
    steps = np.diff(times)
    steps[first[1:] - 1] = how.step
    jumps = int((steps != how.step).sum())
    if how.gaps == "refuse" and (jumps or missing):
        raise InvalidRows(
            f"the {len(first)} series have {jumps} gaps in time and {missing} missing values",
            where="windows",
            remedy='fill them by a rule that you declare, or say gaps="drop" to leave out every window with one',
        )
