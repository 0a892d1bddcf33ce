"""Rows to seal, as their owner has them: a Parquet, CSV or JSON-lines file, or a folder of files of one kind.

With a declared schema only its kept columns are read, and text is read as the declared types; other columns keep their
name and lose their values, and one that is absent stays absent, for `ringfence.quality` to refuse. No message quotes a
value.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.errors import InvalidInput, InvalidRows
from ringfence.schema import DatasetSchema
from ringfence.shards.text_sources import kept_of, name_the_rest, read_csv, read_jsonl

_Reader = Callable[[Path, DatasetSchema | None], Any]
_COMPRESSED = (".gz", ".bz2", ".zst")


def read_source(source: Path | str, schema: DatasetSchema | None = None) -> pa.Table:
    """All rows of a file or folder, in the order of file names.

    Raises InvalidInput when there is nothing of a known kind at `source`, and InvalidRows, naming file, column and line
    where they are known, when a file is cut short, wrongly delimited or encoded, or mixes types.
    """
    path = _path(source)
    if path.is_dir():
        return _read_folder(path, schema)
    if not path.exists():
        raise InvalidInput("no such file or folder", where=str(source))
    return _read_file(path, schema)


def _path(source: Path | str) -> Path:
    if isinstance(source, Path) or "://" not in source:
        return Path(source)
    parts = urlsplit(source)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        remedy = "give a path or file:///path; copy rows that lie elsewhere to this machine first"
        raise InvalidInput("rows are read from this machine only", where=source, remedy=remedy)
    return Path(unquote(parts.path))


def _reader(path: Path) -> _Reader | None:
    name = path.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return _READERS.get(Path(name).suffix)


def _read_file(path: Path, schema: DatasetSchema | None) -> pa.Table:
    reader = _reader(path)
    if reader is None:
        raise InvalidInput("not a kind of file that can be sealed", where=str(path), remedy=f"use {_KINDS}")
    try:
        table = reader(path, schema)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        # What pyarrow says may quote a value, so neither its text nor its traceback is passed on.
        raise InvalidRows("the file is cut short, corrupt, or not what its name says", where=str(path)) from None
    return table.replace_schema_metadata(None)


def _read_folder(folder: Path, schema: DatasetSchema | None) -> pa.Table:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "_")))
    known = [path for path in files if _reader(path) is not None]
    if not known:
        raise InvalidInput("the folder holds no file that can be sealed", where=str(folder), remedy=f"use {_KINDS}")
    if len({_reader(path) for path in known}) > 1 or len(known) < len(files):
        names = ", ".join(path.name for path in files[:5])
        raise InvalidInput(
            f"the folder mixes kinds of files ({names})", where=str(folder), remedy="keep one kind in it"
        )
    tables = [_read_file(path, schema) for path in known]
    for path, table in zip(known, tables, strict=True):
        _check_like(_declared(tables[0], schema), _declared(table, schema), path, known[0])
    return pa.concat_tables(tables, promote_options="permissive")


def _declared(table: pa.Table, schema: DatasetSchema | None) -> pa.Table:
    return table.select(kept_of(table.column_names, schema))


def _check_like(first: pa.Table, other: pa.Table, path: Path, first_path: Path) -> None:
    """Raises InvalidRows unless `other` has the columns of `first`, of types that one column can hold."""
    uneven = sorted(set(first.column_names) ^ set(other.column_names))
    if uneven:
        has, lacks = (first_path, path) if uneven[0] in first.column_names else (path, first_path)
        raise InvalidRows(f"column {uneven[0]!r} is in {has.name} and not in {lacks.name}", where=str(lacks))
    for name in first.column_names:
        here, there = pa.schema([(name, first.field(name).type)]), pa.schema([(name, other.field(name).type)])
        try:
            pa.unify_schemas([here, there], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            types = f"{other.field(name).type} here and {first.field(name).type} in {first_path.name}"
            raise InvalidRows(f"column {name!r} is {types}", where=str(path)) from None


def _read_parquet(path: Path, schema: DatasetSchema | None) -> Any:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    return name_the_rest(file.read(columns=kept_of(names, schema)), names)


_READERS: dict[str, _Reader] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
_KINDS = "Parquet (.parquet), CSV (.csv) or JSON lines (.jsonl)"
