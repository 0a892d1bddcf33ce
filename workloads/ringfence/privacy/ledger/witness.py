"""Heads remembered where the owner of a ledger's bucket cannot take them back: how a rollback is noticed.

What no witness has seen cannot be noticed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence import canonical
from ringfence.errors import InvalidInput, StoreError
from ringfence.privacy.ledger.view import Head

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class Witness(Protocol):
    """A memory of heads, by dataset id."""

    def remembered(self, dataset: str) -> Head | None:
        """The furthest head ever remembered for this dataset."""

    def remember(self, dataset: str, head: Head) -> None:
        """Keeps `head` if it is further than the one remembered; durable when it returns."""


@dataclass(frozen=True)
class FileWitness:
    """A Witness in a folder of the user's state directory: one small file a dataset."""

    folder: Path

    def remembered(self, dataset: str) -> Head | None:
        """See Witness. Raises StoreError when the file is there and cannot be understood: it never counts as absent."""
        path = self._path(dataset)
        with _failures(path):
            try:
                document = canonical.decode(path.read_bytes())
            except FileNotFoundError:
                return None
        match document:
            case {"index": int(index), "hash": str(digest)}:
                return Head(index, digest)
        raise StoreError("this remembered head is malformed", where=str(path))

    def remember(self, dataset: str, head: Head) -> None:
        """See Witness."""
        path = self._path(dataset)
        with _failures(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self.remembered(dataset)
                if known is None or known.index < head.index:
                    _replace(path, canonical.encode({"index": head.index, "hash": head.hash}))

    def _path(self, dataset: str) -> Path:
        if not _NAME.fullmatch(dataset):
            raise InvalidInput(f"dataset id {dataset[:80]!r} is malformed")
        return self.folder / f"{dataset}.head"


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot keep a remembered head: {error.strerror}", where=str(path)) from error
    except InvalidInput as error:
        raise StoreError("this remembered head is malformed", where=str(path)) from error
