"""What a report says of images and texts: how bright and how long they are, and which hold nothing or are damaged.

Like every figure of a report it looks across records, is sealed, and changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.quality.figures import decimal_text
from ringfence.schema import Column
from ringfence.schema.arrays import pixels

_BINS = 10
_BRIGHTEST = 255
_BLOCK = 2**24  # bytes of images looked at together
_REPLACED = "\ufffd"  # what a reader puts where bytes were no text


def content(values: Any, column: Column) -> dict[str, Any]:
    """Figures of the clean `values` of an image or text column; the histogram has ten bins over the declared domain."""
    return _images(values, column) if column.type == "image" else _texts(values, column)


def _images(values: Any, column: Column) -> dict[str, Any]:
    """`histogram`: images by mean brightness from 0 to 255; `blank`: images of one value only."""
    brightness, blank = np.empty(len(values)), 0
    step = max(1, _BLOCK // column.size)
    for start in range(0, len(values), step):
        part = pa.table({column.name: values.slice(start, step)})
        flat = pixels(part, column).reshape(part.num_rows, -1)
        brightness[start : start + step] = flat.mean(axis=1)
        blank += int(np.count_nonzero(flat.min(axis=1) == flat.max(axis=1)))
    return {"blank": blank, "histogram": _histogram(brightness, _BRIGHTEST)}


def _texts(values: Any, column: Column) -> dict[str, Any]:
    """`histogram`: texts by length from 0 to `max_length` characters; `damaged`: those once decoded wrongly."""
    lengths = pc.utf8_length(values).to_numpy()
    damaged = pc.sum(pc.match_substring(values, _REPLACED), min_count=0).as_py()
    figures = {"damaged": int(damaged), "histogram": _histogram(lengths, column.max_length or 1)}
    if len(values):
        figures["quantiles"] = [decimal_text(value) for value in np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1])]
    return figures


def _histogram(numbers: Any, most: int) -> list[int]:
    counts, _ = np.histogram(numbers, bins=_BINS, range=(0, most))
    return [int(count) for count in counts]
