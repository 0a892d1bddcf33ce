"""Exact duplicates: records equal in every sealed column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_ORDER = "\0order"  # no declared column has this name: it cannot be printed


def first_of_each(table: pa.Table) -> Any:
    """Boolean mask [B], true for the first record of each set of equal records."""
    order = pa.array(np.arange(table.num_rows))
    names = table.column_names
    groups = table.append_column(_ORDER, order).group_by(names, use_threads=False).aggregate([(_ORDER, "min")])
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[groups.column(f"{_ORDER}_min").to_numpy()] = True
    return pa.array(mask)


def count_duplicates(table: pa.Table) -> int:
    """How many records equal an earlier one."""
    return int(table.num_rows - np.count_nonzero(first_of_each(table).to_numpy(zero_copy_only=False)))
