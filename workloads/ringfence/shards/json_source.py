"""A file with one JSON object a line as Arrow tables, read by declared types; faults named by line, never by value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from ringfence.errors import InvalidRows
from ringfence.schema import DatasetSchema
from ringfence.shards.csv_source import Types, check_no_images, declared_types, not_utf8

_JSON_BLOCK = 2**20  # bytes; pyarrow counts the rows of an error from the start of its block
_JSON_COLUMN = re.compile(r"Column\(/([^)]*)\)")


def read_jsonl(path: Path) -> Any:
    """A whole file with one JSON object a line, its types as they look. Raises InvalidRows."""
    try:
        return legible(pa.json.read_json(str(path)), path)
    except pa.ArrowException as error:
        raise _json_fault(str(error), path) from None


def settle_jsonl(path: Path, schema: DatasetSchema) -> Types:
    """The types to read the fields as, without those that no line holds: an absent column is not one of missing values.

    An identifier may be written as a whole number, and a word among numbers is for the declared treatment. Reads the
    whole file, a block at a time. Raises InvalidRows.
    """
    check_no_images(path, schema)
    types = declared_types(schema)
    chosen, first = dict(types), dict[str, str]()
    while True:
        try:
            present: set[str] = set()
            for table in _json_blocks(path, chosen):
                present |= {name for name in table.column_names if table[name].null_count < table.num_rows}
            return {name: kind for name, kind in chosen.items() if name in present}
        except pa.ArrowException as error:
            found = _JSON_COLUMN.search(str(error))
            name = found[1] if found else ""
            if name not in types or name in first:
                raise _json_fault(first.get(name, str(error)), path) from None
            first[name] = str(error)
            chosen[name] = pa.int64() if types[name] == pa.string() else pa.string()


def stream_jsonl(path: Path, schema: DatasetSchema, types: Types) -> Iterator[Any]:
    """The file as tables of about a mebibyte each, at least one, read as `types`. Raises InvalidRows."""
    declared = declared_types(schema)
    for table in _json_blocks(path, types):
        for position, name in enumerate(legible(table, path).column_names):
            if declared[name] == pa.string():
                table = table.set_column(position, name, table[name].cast(pa.string()))
        yield table


def _json_blocks(path: Path, types: Types) -> Iterator[Any]:
    explicit = pa.schema(list(types.items()))
    options = pa.json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="ignore")
    with pa.json.open_json(str(path), parse_options=options) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def legible(table: Any, path: Path) -> Any:
    """The table, if all its text is UTF-8. Raises InvalidRows naming the column."""
    for name in table.column_names:
        if pa.types.is_string(table.field(name).type) and _damaged(table[name]):
            raise not_utf8(path, f"column {name!r} is")
    return table


def _json_fault(text: str, path: Path) -> InvalidRows:
    row = re.search(r"in row (\d+)", text)
    counted = row is not None and path.stat().st_size <= _JSON_BLOCK
    where = f"{path}, line {int(row[1]) + 1}" if row and counted else str(path)
    if "Empty JSON" in text:
        return InvalidRows("the file is empty", where=where)
    if column := _JSON_COLUMN.search(text):
        return InvalidRows(f"column {column[1]!r} mixes types", where=where, remedy="correct the file")
    return InvalidRows("the file does not parse as one JSON object a line", where=where)


def _damaged(column: Any) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False
