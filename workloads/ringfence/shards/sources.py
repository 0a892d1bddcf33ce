"""Rows to seal, as their owner has them: a Parquet, CSV or JSON-lines file, or a folder of files of one kind.

With a declared schema only its kept columns are read, and text is read as the declared types; other columns keep their
name and lose their values, and one that is absent stays absent, for `ringfence.quality` to refuse. Then rows come as a
stream of tables, so that a source of any size fits in memory. A mapping file (`ringfence.quality.mapping`) stands for
several sources joined into one table, which is made in memory. No message quotes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.errors import InvalidInput, InvalidRows
from ringfence.quality.fusion import Fused, fuse
from ringfence.quality.mapping import load_mapping
from ringfence.schema import DatasetSchema
from ringfence.shards.csv_source import Types, kept_of, name_the_rest, read_csv, settle_csv, stream_csv
from ringfence.shards.json_source import legible, read_jsonl, settle_jsonl, stream_jsonl

_BLOCK = 16_384  # rows
_IMAGES = 2**24  # bytes of images in them
_BUFFER = 2**20  # bytes of a Parquet column read at a time
_COMPRESSED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class _Kind:
    """How files of one kind are read: whole, or by declared types that are settled first."""

    read: Callable[[Path], Any]
    settle: Callable[[Path, DatasetSchema], Types]
    stream: Callable[[Path, DatasetSchema, Types], Iterator[Any]]


@dataclass(frozen=True)
class Source:
    """Rows that can be read more than once, as tables of bounded size. `where` is what messages call them."""

    given: Path | str | pa.Table
    schema: DatasetSchema
    _settled: dict[Path, Types] = field(default_factory=dict, repr=False)
    _fused: list[Fused] = field(default_factory=list, repr=False)

    @property
    def where(self) -> str:
        """The file or folder; "" for a table."""
        return "" if isinstance(self.given, pa.Table) else str(self.given)

    def tables(self) -> Iterator[pa.Table]:
        """The rows in the order of file names, at least one table. Raises InvalidInput and InvalidRows."""
        if isinstance(self.given, pa.Table):
            yield from _slices(self.given)
            return
        if (fused := self._mapped()) is not None:
            yield from _slices(fused.table)
            return
        first: tuple[Path, pa.Table] | None = None
        for path in _files(self.given):
            for number, table in enumerate(self._stream(path)):
                if number == 0:
                    first = first or (path, table)
                    _check_like(_declared(first[1], self.schema), _declared(table, self.schema), path, first[0])
                yield table

    @property
    def lineage(self) -> Mapping[str, str]:
        """Where each column of a mapping file comes from; {} for any other source."""
        fused = self._mapped()
        return fused.lineage if fused else {}

    def _mapped(self) -> Fused | None:
        if isinstance(self.given, pa.Table) or not _is_mapping(self.given):
            return None
        if not self._fused:
            self._fused.append(read_mapped(_path(self.given)))
        return self._fused[0]

    def _stream(self, path: Path) -> Iterator[pa.Table]:
        kind = _kind(path)
        with _faults(path):
            if path not in self._settled:
                self._settled[path] = kind.settle(path, self.schema)
            for table in kind.stream(path, self.schema, self._settled[path]):
                table.validate(full=True)
                yield table.replace_schema_metadata(None)


def read_source(source: Path | str, schema: DatasetSchema | None = None) -> pa.Table:
    """All rows of a file or folder, in the order of file names, at once.

    Raises InvalidInput when there is nothing of a known kind at `source`, and InvalidRows, naming file, column and line
    where they are known, when a file is cut short, wrongly delimited or encoded, or mixes types.
    """
    if schema is not None:
        return pa.concat_tables(list(Source(source, schema).tables()), promote_options="permissive")
    if _is_mapping(source):
        return read_mapped(_path(source)).table
    files = _files(source)
    tables = [_read_whole(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        _check_like(tables[0], table, path, files[0])
    return pa.concat_tables(tables, promote_options="permissive")


def read_mapped(path: Path) -> Fused:
    """The sources of a mapping file, joined and harmonised. Paths in it are relative to the file."""
    mapping = load_mapping(path)
    return fuse(mapping, {name: read_source(path.parent / one.path) for name, one in mapping.sources.items()})


def _is_mapping(source: Path | str) -> bool:
    return _path(source).suffix.lower() in (".yaml", ".yml")


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, max(1, table.num_rows), _BLOCK):
        yield table.slice(start, _BLOCK)


def _read_whole(path: Path) -> pa.Table:
    with _faults(path):
        table = _kind(path).read(path)
        table.validate(full=True)
    return table.replace_schema_metadata(None)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """What pyarrow says may quote a value, so neither its text nor its traceback is passed on."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError):
        raise InvalidRows("the file is cut short, corrupt, or not what its name says", where=str(path)) from None


def _path(source: Path | str) -> Path:
    if isinstance(source, Path) or "://" not in source:
        return Path(source)
    parts = urlsplit(source)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        remedy = "give a path or file:///path; copy rows that lie elsewhere to this machine first"
        raise InvalidInput("rows are read from this machine only", where=source, remedy=remedy)
    return Path(unquote(parts.path))


def _kind(path: Path) -> _Kind:
    found = _known(path)
    if found is None:
        raise InvalidInput("not a kind of file that can be sealed", where=str(path), remedy=f"use {_NAMES}")
    return found


def _known(path: Path) -> _Kind | None:
    name = path.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return _KINDS.get(Path(name).suffix)


def _files(source: Path | str) -> list[Path]:
    """The one file, or those of a folder. Raises InvalidInput."""
    path = _path(source)
    if not path.exists():
        raise InvalidInput("no such file or folder", where=str(source))
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith((".", "_")))
    known = [one for one in files if _known(one) is not None]
    if not known:
        raise InvalidInput("the folder holds no file that can be sealed", where=str(path), remedy=f"use {_NAMES}")
    if len({_known(one) for one in known}) > 1 or len(known) < len(files):
        names = ", ".join(one.name for one in files[:5])
        raise InvalidInput(f"the folder mixes kinds of files ({names})", where=str(path), remedy="keep one kind in it")
    return known


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


def _settle_parquet(path: Path, schema: DatasetSchema) -> Types:
    """A Parquet file says its types itself."""
    return {}


def _stream_parquet(path: Path, schema: DatasetSchema, types: Types) -> Iterator[Any]:
    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
        names = file.schema_arrow.names
        wanted = kept_of(names, schema)
        yield name_the_rest(file.schema_arrow.empty_table().select(wanted), names)
        images = sum(column.size for column in schema.kept if column.type == "image")
        block = min(_BLOCK, max(1, _IMAGES // max(1, images)))
        for batch in file.iter_batches(block, columns=wanted, use_threads=False):
            yield name_the_rest(legible(pa.Table.from_batches([batch]), path), names)


_PARQUET = _Kind(pq.read_table, _settle_parquet, _stream_parquet)
_CSV = _Kind(read_csv, settle_csv, stream_csv)
_JSONL = _Kind(read_jsonl, settle_jsonl, stream_jsonl)
_KINDS = {".parquet": _PARQUET, ".pq": _PARQUET, ".csv": _CSV, ".jsonl": _JSONL, ".ndjson": _JSONL}
_NAMES = "Parquet (.parquet), CSV (.csv) or JSON lines (.jsonl)"
