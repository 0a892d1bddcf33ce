"""CSV and JSON lines as Arrow tables, read by declared types; faults named by line and column, never by value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from ringfence.errors import InvalidRows
from ringfence.schema import DatasetSchema

_MISSING = tuple(pa.csv.ConvertOptions().null_values)
"""How a missing value is written in a CSV: nothing, NA, NaN, null and the like."""

_JSON_BLOCK = 2**20  # bytes; pyarrow counts the rows of an error from the start of its block
_JSON_COLUMN = re.compile(r"Column\(/([^)]*)\)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(path: Path, schema: DatasetSchema | None) -> Any:
    """A table of a comma-separated file with a header. Raises InvalidRows."""
    _check_encoding(path)
    types = _types(schema)
    names = _header(path, types)
    _check_header(names, schema, path)
    wanted = kept_of(names, schema)
    table = _parse_csv(path, names, wanted, types)
    for name in table.column_names:
        if pa.types.is_binary(table.field(name).type):
            raise _not_utf8(path, f"column {name!r} is")
    return name_the_rest(_with_missing(table, schema), names)


def read_jsonl(path: Path, schema: DatasetSchema | None) -> Any:
    """A table of a file with one JSON object a line. Raises InvalidRows."""
    types = _types(schema)
    table = _parse_json(path, types, declared=schema is not None)
    # A field that no line holds is an absent column, not a column of missing values.
    present = [name for name in table.column_names if schema is None or table[name].null_count < table.num_rows]
    table = table.select(present)
    for position, name in enumerate(present):
        if pa.types.is_string(table.field(name).type) and _damaged(table[name]):
            raise _not_utf8(path, f"column {name!r} is")
        if types.get(name) == pa.string():
            table = table.set_column(position, name, table[name].cast(pa.string()))
    return table


def _parse_csv(path: Path, names: list[str], wanted: list[str], types: dict[str, pa.DataType]) -> Any:
    """The wanted columns as `types`; a column with other values as text, so that its declared treatment decides."""
    chosen, threads = dict(types), True
    while True:
        options = pa.csv.ConvertOptions(column_types=chosen, include_columns=wanted)
        reading = pa.csv.ReadOptions(use_threads=threads)
        try:
            return pa.csv.read_csv(str(path), read_options=reading, convert_options=options)
        except pa.ArrowException as error:
            name = _csv_column(str(error), names)
            if name and chosen.get(name, pa.string()) != pa.string():
                chosen[name] = pa.string()
            elif threads:
                threads = False  # only a single thread knows its line
            else:
                raise _csv_fault(str(error), names, path) from None


def _parse_json(path: Path, types: dict[str, pa.DataType], declared: bool) -> Any:
    fields = dict(types)
    first: dict[str, str] = {}
    while True:
        options = pa.json.ParseOptions()
        if declared:
            explicit = pa.schema(list(fields.items()))
            options = pa.json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="ignore")
        try:
            return pa.json.read_json(str(path), parse_options=options)
        except pa.ArrowException as error:
            found = _JSON_COLUMN.search(str(error))
            name = found[1] if found else ""
            if name not in types or name in first:
                raise _json_fault(first.get(name, str(error)), path) from None
            # An identifier may be written as a whole number; a word among numbers is for the declared treatment.
            first[name] = str(error)
            fields[name] = pa.int64() if types[name] == pa.string() else pa.string()


def kept_of(names: list[str], schema: DatasetSchema | None) -> list[str]:
    """Those of a file's columns that are to be read."""
    return names if schema is None else [column.name for column in schema.kept if column.name in names]


def name_the_rest(table: Any, names: list[str]) -> Any:
    """`table` with the columns of the file that were not read, as nulls: known by name, never by value."""
    for name in dict.fromkeys(names):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table


def _types(schema: DatasetSchema | None) -> dict[str, pa.DataType]:
    return {} if schema is None else {field.name: field.type for field in schema.arrow_schema()}


def _check_encoding(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise _not_utf8(path, "the file is")


def _header(path: Path, types: dict[str, pa.DataType]) -> list[str]:
    try:
        options = pa.csv.ReadOptions(block_size=2**24)
        convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(types, pa.binary()))
        with pa.csv.open_csv(str(path), read_options=options, convert_options=convert) as reader:
            return list(reader.schema.names)
    except UnicodeDecodeError:
        raise _not_utf8(path, "the header is") from None
    except pa.ArrowException as error:
        raise _csv_fault(str(error), [], path) from None


def _check_header(names: list[str], schema: DatasetSchema | None, path: Path) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1 and (not schema or name in _types(schema))})
    if repeated:
        raise InvalidRows(f"the header names column {repeated[0]!r} twice", where=str(path))
    declared = len(schema.kept) if schema else 0
    if len(names) == 1 and (declared > 1 or any(mark in names[0] for mark in ";\t|")):
        raise InvalidRows(
            "the header holds one column only" + (f", the schema declares {declared}" if declared else ""),
            where=str(path),
            remedy="separate the columns by commas",
        )


def _with_missing(table: Any, schema: DatasetSchema | None) -> Any:
    """Text that says "missing" becomes null, unless the owner declared it as one of a column's values."""
    values = {column.name: column.values for column in schema.kept} if schema else {}
    for position, name in enumerate(table.column_names):
        if pa.types.is_string(table.field(name).type):
            spelled = pa.array([text for text in _MISSING if text not in values.get(name, ())], pa.string())
            column = table[name]
            cleared = pc.if_else(pc.is_in(column, value_set=spelled), pa.scalar(None, pa.string()), column)
            table = table.set_column(position, name, cleared)
    return table


def _csv_fault(text: str, names: list[str], path: Path) -> InvalidRows:
    """pyarrow's complaint without the value that it quotes."""
    line = re.search(r"Row #(\d+)", text)
    where = f"{path}, line {line[1]}" if line else str(path)
    if "Empty CSV" in text:
        return InvalidRows("the file is empty", where=where)
    if fields := re.search(r"Expected (\d+) columns, got (\d+)", text):
        remedy = "separate fields by commas and put quotes around fields that hold one"
        return InvalidRows(f"a line has {fields[2]} fields, the header {fields[1]}", where=where, remedy=remedy)
    name = _csv_column(text, names)
    if name is None:
        return InvalidRows("the file does not parse as CSV", where=where)
    if "UTF8" in text:
        return _not_utf8(where, f"column {name!r} is")
    return InvalidRows(f"column {name!r} mixes types", where=where, remedy="correct the file")


def _csv_column(text: str, names: list[str]) -> str | None:
    found = re.search(r"In CSV column #(\d+)", text)
    return names[int(found[1])] if found and int(found[1]) < len(names) else None


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


def _not_utf8(path: Path | str, what: str) -> InvalidRows:
    return InvalidRows(f"{what} not UTF-8 text", where=str(path), remedy="save the file as UTF-8")
