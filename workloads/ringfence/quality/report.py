"""The quality report: computed from rows, therefore sealed, and read by the owner alone.

A tree of objects, lists, strings and integers that canonical JSON can hold; figures are decimal strings of six digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.quality.cleaning import Cleaned
from ringfence.quality.content import content
from ringfence.quality.duplicates import count_duplicates
from ringfence.quality.figures import decimal_text
from ringfence.quality.near import near_duplicates, outliers
from ringfence.quality.personal import personal_columns
from ringfence.schema import Column, DatasetSchema

_BINS = 10
_LISTED = 50  # values of a category that are counted by name


def report(before: pa.Table, cleaned: Cleaned, schema: DatasetSchema) -> dict[str, Any]:
    """What was found in `before` and what of it remains in `cleaned`."""
    sealed = {column.name for column in schema.kept}
    return {
        "version": 1,
        "records": {
            "read": cleaned.read,
            "kept": cleaned.kept,
            "dropped": cleaned.dropped,
            "duplicates_dropped": cleaned.duplicates,
            "duplicates_left": 0 if schema.drop_exact_duplicates else count_duplicates(cleaned.table),
        },
        "near_duplicates": near_duplicates(cleaned.table, schema.kept),
        "looks_personal": personal_columns(cleaned.table),
        "not_sealed": sorted(name for name in set(before.column_names) if name not in sealed),
        "label": _label(cleaned.table, schema),
        "columns": {column.name: _column(cleaned, column) for column in schema.kept},
    }


def _label(table: pa.Table, schema: DatasetSchema) -> dict[str, Any] | None:
    """Records and share of each class of the target; None without classes."""
    target = schema.target_column
    if target is None or not target.classes:
        return None
    counts = _counts(table.column(target.name), target.classes)
    total = max(table.num_rows, 1)
    shares = {name: decimal_text(count / total) for name, count in counts.items()}
    return {"column": target.name, "counts": counts, "shares": shares}


def _column(cleaned: Cleaned, column: Column) -> dict[str, Any]:
    counts = cleaned.columns[column.name]
    found = {
        "missing": counts.missing,
        "out_of_range": counts.out_of_range,
        "replaced": counts.replaced,
        "dropped": counts.dropped,
    }
    values = cleaned.table.column(column.name)
    if column.ranged:
        return {**found, **_spread(values), "outliers": outliers(values), "histogram": _histogram(values, column)}
    if column.type in ("image", "text"):
        return {**found, **content(values, column)}
    if column.type == "identifier":
        return {**found, "distinct": pc.count_distinct(values).as_py()}
    by_value = _counts(values, column.classes)
    largest = sorted(by_value, key=lambda name: -by_value[name])[:_LISTED]
    return {**found, "counts": {name: by_value[name] for name in largest}}


def _histogram(values: Any, column: Column) -> list[int]:
    """Records in ten bins of equal width over the declared range."""
    counts, _ = np.histogram(values.to_numpy(), bins=_BINS, range=column.bounds)
    return [int(count) for count in counts]


def _counts(values: Any, classes: tuple[str, ...]) -> dict[str, int]:
    """Records by class, in declared order; a declared class without records counts zero."""
    found = pc.value_counts(values.cast(pa.string()))
    tally = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))
    return {name: int(tally.get(name, 0)) for name in classes}


def _spread(values: Any) -> dict[str, Any]:
    """Mean, standard deviation (of the population), and quantiles 0, 1/4, 1/2, 3/4, 1."""
    if len(values) == 0:
        return {}
    quantiles = pc.quantile(values, q=[0, 0.25, 0.5, 0.75, 1]).to_pylist()
    return {
        "mean": decimal_text(pc.mean(values).as_py()),
        "standard_deviation": decimal_text(pc.stddev(values).as_py()),
        "quantiles": [decimal_text(value) for value in quantiles],
    }
