"""From a URL to a store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ringfence.errors import InvalidInput
from ringfence.store.folder import FolderStore
from ringfence.store.interface import Store
from ringfence.store.keys import check_prefix

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Location:
    """A place in a bucket; `prefix` has no slash at its ends and is "" for the whole bucket."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`, without a slash at the end."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Stores:
    """How URLs become stores; immutable and picklable, so that it can be handed to another process.

    `file:///folder` is a folder. `s3://bucket/prefix` is a bucket reached with the `AWS_*` variables, or, with
    `mapping` (the command line's `--store DIR`), the folder `DIR/bucket/prefix` under the same URL.
    """

    mapping: Path | None = None

    def open(self, url: str) -> Store:
        """The store at `url`; nothing is read yet. Raises InvalidInput for a URL of another kind."""
        scheme, host, path = _split(url)
        if scheme == "file":
            return FolderStore(url=url.rstrip("/"), root=_folder(url, host, path))
        place = location(url)
        if self.mapping is not None:
            return FolderStore(url=place.url, root=self.mapping.absolute() / place.bucket / place.prefix)
        from ringfence.store.s3 import S3Store  # a folder needs no S3 client

        return S3Store(place.bucket, place.prefix)


def location(url: str) -> Location:
    """Bucket and prefix of an `s3://bucket/prefix` URL. Raises InvalidInput for any other."""
    scheme, host, path = _split(url)
    if scheme != "s3":
        raise InvalidInput("is not in a bucket", where=url, remedy="write s3://bucket/prefix")
    if not _BUCKET.fullmatch(host) or ".." in host:
        raise InvalidInput(
            f"{host[:80]!r} is not the name of a bucket",
            where=url,
            remedy="3 to 63 lower-case letters, digits, dots and hyphens",
        )
    return Location(host, check_prefix(path.strip("/"), where=url))


def _split(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInput(f"{url[:200]!r} is not a URL") from error
    if parts.scheme not in ("file", "s3") or "://" not in url:
        raise InvalidInput(f"{url[:200]!r} is not a store", remedy="write file:///folder or s3://bucket/prefix")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidInput("a store URL has no query, fragment or credentials", where=f"{parts.scheme}://...")
    return parts.scheme, parts.netloc, parts.path


def _folder(url: str, host: str, path: str) -> Path:
    folder = unquote(path)
    if host not in ("", "localhost") or not folder.startswith("/"):
        raise InvalidInput("a file URL needs an absolute path", where=url, remedy="write file:///folder")
    if "\x00" in folder or ".." in folder.split("/"):
        raise InvalidInput("a file URL has no '..' and no zero byte in its path", where=url)
    return Path(os.path.normpath(folder))
