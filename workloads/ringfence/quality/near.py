"""Near duplicates and outliers: found across records, so they are only reported, sealed, and change nothing.

A filter for near duplicates would make one person's record decide over others', and cleaning no longer be by record.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ringfence.schema import Column

_MOST = 200_000  # records looked at: enough to see a habit of the source
_FENCE = 3.0  # interquartile ranges beyond the quartiles: Tukey's outer fence (1977)


def near_duplicates(table: pa.Table, columns: tuple[Column, ...]) -> dict[str, int]:
    """Among the first 200,000 records, how many equal another one in all of `columns` but exactly one.

    Exact duplicates are not counted; nor are records that differ in an image or a text only, which is no likeness. Time
    is O(F N log N) for F columns.
    """
    rows = table.slice(0, _MOST)
    compared = [column for column in columns if column.role != "unit"]
    parts = [_mixed(rows.column(column.name), place) for place, column in enumerate(compared)]
    near = np.zeros(rows.num_rows, dtype=bool)
    if len(parts) > 1 and rows.num_rows > 1:
        whole = np.add.reduce(parts)
        for part, column in zip(parts, compared, strict=True):
            if column.type not in ("image", "text"):
                near |= _differ_only_here(whole - part, part)
    return {"looked_at": rows.num_rows, "records": int(near.sum())}


def outliers(values: Any) -> int:
    """Values beyond Tukey's outer fences: more than three interquartile ranges outside the quartiles."""
    numbers = values.to_numpy()
    if len(numbers) == 0:
        return 0
    low, high = np.quantile(numbers, [0.25, 0.75])
    reach = _FENCE * (high - low)
    return int(np.count_nonzero((numbers < low - reach) | (numbers > high + reach)))


def _mixed(values: Any, place: int) -> npt.NDArray[np.uint64]:
    """A 64-bit number for each value, other for each column (the finaliser of SplitMix64, Steele et al. 2014)."""
    codes = values.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    mixed = codes.astype(np.uint64) + np.uint64((place + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def _differ_only_here(rest: npt.NDArray[np.uint64], here: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Records whose `rest` another record shares with a different `here`."""
    order = np.lexsort((here, rest))
    groups = np.flatnonzero(np.r_[True, rest[order][1:] != rest[order][:-1]])
    sizes = np.diff(np.r_[groups, len(rest)])
    first, last = here[order][groups], here[order][groups + sizes - 1]
    found = np.zeros(len(rest), dtype=bool)
    found[order] = np.repeat(first != last, sizes)
    return found
