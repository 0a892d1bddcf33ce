"""A CSV file as Arrow tables, read by declared types; faults named by line and column, never by value.

With a declared schema a file is read twice, a block at a time: once to settle the types of its columns, once for rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ringfence.errors import InvalidRows
from ringfence.schema import DatasetSchema

_MISSING = tuple(pa.csv.ConvertOptions().null_values)
"""How a missing value is written in a CSV: nothing, NA, NaN, null and the like."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


Types = dict[str, pa.DataType]


def read_csv(path: Path) -> Any:
    """A whole comma-separated file with a header, its types as they look. Raises InvalidRows."""
    names = _checked_header(path, None)
    chosen: Types = {}
    while True:
        try:
            options = pa.csv.ConvertOptions(column_types=chosen)
            table = pa.csv.read_csv(
                str(path), read_options=pa.csv.ReadOptions(use_threads=False), convert_options=options
            )
            return _with_missing(_without_bytes(table, path), None)
        except pa.ArrowException as error:
            _choose_text(error, chosen, names, path)


def settle_csv(path: Path, schema: DatasetSchema) -> Types:
    """The types to read a file's columns as: the declared ones, and text for a column with other values, whose declared
    treatment then decides. Reads the whole file, a block at a time. Raises InvalidRows, naming line and column."""
    names, chosen = _checked_header(path, schema), declared_types(schema)
    while True:
        try:
            for _ in _csv_blocks(path, kept_of(names, schema), chosen):
                pass
            return chosen
        except pa.ArrowException as error:
            _choose_text(error, chosen, names, path)


def stream_csv(path: Path, schema: DatasetSchema, types: Types) -> Iterator[Any]:
    """The file as tables of about a mebibyte of text each, at least one, read as `types`. Raises InvalidRows."""
    names = _checked_header(path, schema)
    for table in _csv_blocks(path, kept_of(names, schema), types):
        yield name_the_rest(_with_missing(_without_bytes(table, path), schema), names)


def _csv_blocks(path: Path, wanted: list[str], types: Types) -> Iterator[Any]:
    options = pa.csv.ConvertOptions(column_types=types, include_columns=wanted)
    reading = pa.csv.ReadOptions(use_threads=False)  # only a single thread knows its line
    with pa.csv.open_csv(str(path), read_options=reading, convert_options=options) as reader:
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _choose_text(error: pa.ArrowException, chosen: Types, names: list[str], path: Path) -> None:
    """Lets a column that is not what it seemed be read as text. Raises InvalidRows where that is no help."""
    name = _csv_column(str(error), names)
    if name is None or chosen.get(name) == pa.string():
        raise _csv_fault(str(error), names, path) from None
    chosen[name] = pa.string()


def _without_bytes(table: Any, path: Path) -> Any:
    for name in table.column_names:
        if pa.types.is_binary(table.field(name).type):
            raise not_utf8(path, f"column {name!r} is")
    return table


def _checked_header(path: Path, schema: DatasetSchema | None) -> list[str]:
    check_no_images(path, schema)
    _check_encoding(path)
    names = _header(path, declared_types(schema))
    _check_header(names, schema, path)
    return names


def kept_of(names: list[str], schema: DatasetSchema | None) -> list[str]:
    """Those of a file's columns that are to be read."""
    return names if schema is None else [column.name for column in schema.kept if column.name in names]


def name_the_rest(table: Any, names: list[str]) -> Any:
    """`table` with the columns of the file that were not read, as nulls: known by name, never by value."""
    for name in dict.fromkeys(names):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table


def declared_types(schema: DatasetSchema | None) -> dict[str, pa.DataType]:
    return {} if schema is None else {field.name: field.type for field in schema.arrow_schema()}


def check_no_images(path: Path, schema: DatasetSchema | None) -> None:
    """Raises InvalidRows where the schema declares an image: text files hold none."""
    image = next((column for column in schema.kept if column.type == "image"), None) if schema else None
    if image is not None:
        remedy = "write the rows as Parquet, the image as fixed-size binary"
        message = f"column {image.name!r} is an image, which this kind of file cannot hold"
        raise InvalidRows(message, where=str(path), remedy=remedy)


def _check_encoding(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise not_utf8(path, "the file is")


def _header(path: Path, types: dict[str, pa.DataType]) -> list[str]:
    try:
        options = pa.csv.ReadOptions(block_size=2**24, use_threads=False)
        convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(types, pa.binary()))
        with pa.csv.open_csv(str(path), read_options=options, convert_options=convert) as reader:
            return list(reader.schema.names)
    except UnicodeDecodeError:
        raise not_utf8(path, "the header is") from None
    except pa.ArrowException as error:
        raise _csv_fault(str(error), [], path) from None


def _check_header(names: list[str], schema: DatasetSchema | None, path: Path) -> None:
    repeated = sorted(
        {name for name in names if names.count(name) > 1 and (not schema or name in declared_types(schema))}
    )
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
        return not_utf8(where, f"column {name!r} is")
    return InvalidRows(f"column {name!r} mixes types", where=where, remedy="correct the file")


def _csv_column(text: str, names: list[str]) -> str | None:
    found = re.search(r"In CSV column #(\d+)", text)
    return names[int(found[1])] if found and int(found[1]) < len(names) else None


def not_utf8(path: Path | str, what: str) -> InvalidRows:
    return InvalidRows(f"{what} not UTF-8 text", where=str(path), remedy="save the file as UTF-8")
