"""Whether one model fits the schemas of several silos."""

from __future__ import annotations

from collections.abc import Mapping

from ringfence.errors import SchemaMismatch
from ringfence.schema.columns import Column
from ringfence.schema.dataset import DatasetSchema
from ringfence.schema.spelling import nearest


def differences(mine: DatasetSchema, other: DatasetSchema) -> list[str]:
    """How `other` differs in what a model sees; each line names the column.

    Compared are features and target: names, order, types, ranges, values, physical units. How a silo treats missing
    values, its unit column and its ignored columns are its own affair.
    """
    ours, theirs = _seen(mine), _seen(other)
    found = [_absent(name, theirs) for name in ours if name not in theirs]
    found += [f"column {name!r} is not expected" for name in theirs if name not in ours]
    for name, column in ours.items():
        if name in theirs:
            found += _column(column, theirs[name])
    if not found and list(ours) != list(theirs):
        name = next(there for here, there in zip(ours, theirs, strict=True) if here != there)
        found.append(f"column {name!r} stands in another place in the order of columns")
    return found


def check_same(named: Mapping[str, DatasetSchema]) -> None:
    """Raises SchemaMismatch, naming silo, column and difference, unless every schema fits the first one's model."""
    silos = list(named)
    for silo in silos[1:]:
        found = differences(named[silos[0]], named[silo])
        if found:
            more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
            raise SchemaMismatch(
                "; ".join(found[:3]) + more,
                where=f"silo {silo!r} against silo {silos[0]!r}",
                remedy="seal both with one reviewed schema file",
            )


def _seen(schema: DatasetSchema) -> dict[str, Column]:
    return {column.name: column for column in schema.columns if column.role in ("feature", "target")}


def _absent(name: str, theirs: Mapping[str, Column]) -> str:
    close = nearest(name, theirs)
    return f"column {name!r} is missing" + (f" (there is {close!r})" if close else "")


def _column(mine: Column, other: Column) -> list[str]:
    pairs = [
        ("role", mine.role, other.role),
        ("type", mine.type, other.type),
        ("range", _range(mine), _range(other)),
        ("shape", _shape(mine), _shape(other)),
        ("max_length", mine.max_length, other.max_length),
        ("unit", mine.unit, other.unit),
    ]
    found = [f"column {mine.name!r} has {what} {b}, not {a}" for what, a, b in pairs if a != b]
    if mine.values != other.values:
        found.append(f"column {mine.name!r} declares {_values(mine, other)}")
    return found


def _range(column: Column) -> str:
    return f"{column.minimum} to {column.maximum}" if column.ranged else "none"


def _shape(column: Column) -> str:
    return " x ".join(map(str, column.shape)) if column.shape else "none"


def _values(mine: Column, other: Column) -> str:
    extra = [repr(value) for value in other.values if value not in mine.values]
    absent = [repr(value) for value in mine.values if value not in other.values]
    if extra:
        return f"value {', '.join(extra[:3])}, which is not expected"
    return f"no value {', '.join(absent[:3])}" if absent else "its values in another order"
