"""A folder as an object store.

An object is either whole or absent, after a crash at any instant too: it is written to a temporary file in the same
folder, synced, and given its name by rename (replace) or by hard link (fails if the name is taken); then the folder,
and every folder made for it, is synced.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from ringfence.errors import ConditionalWritesUnsupported, ObjectNotFound, StoreError
from ringfence.store.interface import History, Listing, ObjectInfo, ObjectVersion, Original
from ringfence.store.keys import TEMPORARY, check_key, check_prefix, is_part

_ONLY_VERSION = "null"  # what S3 calls the one version of an object in a bucket that keeps none
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # link(2): how a file system says so


@dataclass(frozen=True)
class FolderStore:
    """The Store over the folder `root`; `url` is what the user calls it (`--store` maps s3:// URLs to folders)."""

    url: str
    root: Path

    def get(self, key: str) -> bytes:
        """See Store."""
        path = self._path(key)
        with self._failures("read", key):
            return path.read_bytes()

    @contextmanager
    def reading(self, key: str) -> Iterator[BufferedIOBase]:
        """See Store. An object is replaced by rename, so an open file keeps its bytes."""
        path = self._path(key)
        with self._failures("read", key), path.open("rb") as file:
            yield file

    def put(self, key: str, data: bytes) -> None:
        """See Store."""
        path = self._path(key)
        with self._failures("write", key):
            with self._written(path.parent, data) as temporary:
                temporary.replace(path)
            _sync(path.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store. Raises ConditionalWritesUnsupported on a file system without hard links."""
        path = self._path(key)
        with self._failures("write", key):
            with self._written(path.parent, data) as temporary:
                if not _linked(temporary, path, self.url):
                    return False
            _sync(path.parent)
        return True

    def list(self, prefix: str = "") -> Listing:
        """See Store."""
        folder = self.root / check_prefix(prefix, where=self.url)
        with self._failures("list", prefix):
            return sorted(self._below(folder), key=lambda found: found.key)

    def versions(self, key: str) -> History:
        """See Store."""
        path = self._path(key)
        with suppress(ObjectNotFound), self._failures("read", key):
            found = path.stat()
            return [ObjectVersion(_ONLY_VERSION, found.st_size)] if stat.S_ISREG(found.st_mode) else []
        return []

    def get_version(self, key: str, version_id: str) -> bytes:
        """See Store."""
        if version_id != _ONLY_VERSION:
            raise ObjectNotFound(f"no version {version_id[:60]!r} of this object", where=self._where(key))
        return self.get(key)

    def original(self, key: str) -> Original:
        """See Store."""
        return Original(self.get(key))

    def exists(self, key: str) -> bool:
        """See Store."""
        return bool(self.versions(key))

    def delete(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        with suppress(ObjectNotFound), self._failures("delete", key):
            path.unlink()
            _sync(path.parent)

    def purge(self, key: str) -> None:
        """See Store."""
        self.delete(key)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key, where=self.url)

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}" if key else self.url

    @contextmanager
    def _failures(self, verb: str, key: str) -> Iterator[None]:
        """An OSError of the block becomes a StoreError of one line."""
        try:
            yield
        except OSError as error:
            if verb != "write" and isinstance(error, (FileNotFoundError, IsADirectoryError)):
                raise ObjectNotFound("no such object", where=self._where(key)) from error
            folder = "" if self.url.startswith("file:") else f" in folder {self.root}"
            reason = error.strerror or type(error).__name__
            raise StoreError(f"cannot {verb} this object{folder}: {reason}", where=self._where(key)) from error

    @contextmanager
    def _written(self, folder: Path, data: bytes) -> Iterator[Path]:
        """A temporary file in `folder` holding `data`, synced; gone after the block."""
        _make_folder(folder)
        temporary = folder / f"{TEMPORARY}{secrets.token_hex(12)}"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _below(self, folder: Path) -> Iterator[ObjectInfo]:
        """Every object below `folder`; half-written files and other names that are no keys are not objects."""
        try:
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: entry.name)
        except FileNotFoundError:  # never made, or deleted since its parent was read
            return
        for entry in entries:
            if not is_part(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(folder / entry.name)
            elif entry.is_file():
                with suppress(FileNotFoundError):  # deleted since its folder was read
                    yield ObjectInfo((folder / entry.name).relative_to(self.root).as_posix(), entry.stat().st_size)


def _linked(temporary: Path, path: Path, url: str) -> bool:
    """Gives `temporary` the name `path` too; False if the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_HARD_LINKS:
            raise ConditionalWritesUnsupported(
                "this file system has no hard links, so no object can be created only if it is absent",
                where=url,
                remedy="keep it on another file system, or on S3 or MinIO",
            ) from error
        raise
    return True


def _make_folder(folder: Path) -> None:
    """Makes `folder` and its parents, syncing the parent of each one made, so that a crash keeps the whole path."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:  # by another process meanwhile, or a file
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
