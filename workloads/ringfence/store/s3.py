"""S3 and MinIO as an object store: bytes through obstore, versions through the MinIO SDK.

Endpoint and credentials come from the usual `AWS_*` variables. A create carries `If-None-Match: *`; 409 and 412 mean
that the name is taken or that a race was lost, and only reading tells which.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BufferedIOBase

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store as Bucket

from ringfence.errors import ConditionalWritesUnsupported, ObjectNotFound, StoreError
from ringfence.store.connection import endpoint, summary
from ringfence.store.interface import History, Listing, ObjectInfo, Original
from ringfence.store.keys import check_key, check_prefix

_RETRY_FOR = timedelta(seconds=30)
_NO_RIGHT = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")


@dataclass(frozen=True)
class S3Store:
    """The Store over `bucket`, below `prefix` ("" for the whole bucket)."""

    bucket: str
    prefix: str = ""
    _client: Bucket = field(init=False, repr=False, compare=False)
    _versioned: set[bool] = field(init=False, repr=False, compare=False, default_factory=set)
    """What answers said of the bucket: True as soon as one named a version; empty before the first answer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_client", _connect(self.bucket))

    @property
    def url(self) -> str:
        """See Store."""
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def get(self, key: str) -> bytes:
        """See Store."""
        path = self._path(key)
        with self._failures("read", key):
            return bytes(obstore.get(self._client, path).bytes())

    @contextmanager
    def reading(self, key: str) -> Iterator[BufferedIOBase]:
        """See Store. The bytes lie in an unnamed file of the temporary folder meanwhile."""
        path = self._path(key)
        with tempfile.TemporaryFile() as file:
            with self._failures("read", key):
                for chunk in obstore.get(self._client, path).stream():
                    file.write(chunk)
            file.seek(0)
            yield file

    def put(self, key: str, data: bytes) -> None:
        """See Store."""
        path = self._path(key)
        with self._failures("write", key):
            obstore.put(self._client, path, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store. Raises ConditionalWritesUnsupported when the server does not know the condition."""
        path = self._path(key)
        with self._failures("write", key):
            try:
                done = obstore.put(self._client, path, data, mode="create", use_multipart=False)
                self._versioned.add(done["version"] is not None)
            except (AlreadyExistsError, PreconditionError):
                return False
            except NotSupportedError as error:
                refusal = "the store cannot create an object only if it is absent"
                raise ConditionalWritesUnsupported(refusal, where=self.url) from error
        return True

    def list(self, prefix: str = "") -> Listing:
        """See Store."""
        folder = "/".join(filter(None, (self.prefix, check_prefix(prefix, where=self.url))))
        with self._failures("list", prefix):
            metas = [meta for batch in obstore.list(self._client, folder or None) for meta in batch]
        skipped = len(self.prefix) + 1 if self.prefix else 0
        return sorted((ObjectInfo(meta["path"][skipped:], meta["size"]) for meta in metas), key=lambda found: found.key)

    def versions(self, key: str) -> History:
        """See Store."""
        from ringfence.store.s3_versions import versions  # the SDK is slow to import and rarely needed

        return versions(self.bucket, self._path(key), where=self._where(key))

    def get_version(self, key: str, version_id: str) -> bytes:
        """See Store."""
        from ringfence.store.s3_versions import get_version

        return get_version(self.bucket, self._path(key), version_id, where=self._where(key))

    def original(self, key: str) -> Original:
        """See Store. Where the bucket keeps no versions this is one request, else the versions are listed too."""
        path, newest = self._path(key), None
        try:
            with self._failures("read", key):
                found = obstore.get(self._client, path)
                self._versioned.add(found.meta["version"] is not None)
                newest = bytes(found.bytes())
                if found.meta["version"] is None:
                    return Original(newest)
        except ObjectNotFound:
            if self._versioned == {False}:
                raise  # elsewhere a delete marker may hide an object
        history = self.versions(key)
        oldest = next((version for version in history if not version.deleted), None)
        if oldest is None:
            raise ObjectNotFound("no such object", where=self._where(key))
        others = tuple(version for version in history if version is not oldest)
        if newest is not None and not others:
            return Original(newest)
        return Original(self.get_version(key, oldest.version_id), others)

    def exists(self, key: str) -> bool:
        """See Store."""
        path = self._path(key)
        try:
            with self._failures("read", key):
                obstore.head(self._client, path)
        except ObjectNotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        with self._failures("delete", key):
            obstore.delete(self._client, path)

    def purge(self, key: str) -> None:
        """See Store."""
        from ringfence.store.s3_versions import purge

        purge(self.bucket, self._path(key), where=self._where(key))

    def _path(self, key: str) -> str:
        return "/".join(filter(None, (self.prefix, check_key(key, where=self.url))))

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}" if key else self.url

    @contextmanager
    def _failures(self, verb: str, key: str) -> Iterator[None]:
        """An error of obstore becomes a StoreError of one line."""
        where = self._where(key)
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            if verb == "read" and not _bucket_is_missing(error):
                raise ObjectNotFound("no such object", where=where) from error
            raise StoreError(f"cannot {verb} this object: bucket {self.bucket} does not exist", where=where) from error
        except (BaseError, OSError, ValueError) as error:
            raise _refusal(verb, self.bucket, error, where) from error


def _refusal(verb: str, bucket: str, error: Exception, where: str) -> StoreError:
    """What an error means. The server's own code comes first: for a listing the library has one type for all of them,
    and it takes a request that is out of time for one without rights."""
    said, forbidden = str(error), (PermissionDeniedError, UnauthenticatedError, PermissionError)
    if "RequestTimeTooSkewed" in said:
        reason = "the clock of this machine and the store's differ too much"
        return StoreError(f"cannot {verb} this object: {reason}", where=where, remedy="set the clocks right")
    if isinstance(error, forbidden) or any(f"<Code>{code}<" in said for code in _NO_RIGHT):
        remedy = "check the AWS_* variables and the policy of these credentials"
        return StoreError(f"not allowed to {verb} this object", where=where, remedy=remedy)
    reason = f"bucket {bucket} does not exist" if _bucket_is_missing(error) else summary(error)
    return StoreError(f"cannot {verb} this object: {reason}", where=where)


def _bucket_is_missing(error: Exception) -> bool:
    """The library has one type for a missing object and a missing bucket; only the server's code tells."""
    return "NoSuchBucket" in str(error)


def _connect(bucket: str) -> Bucket:
    """A client that gives up after half a minute of retries: whoever waits longer decides so above this room."""
    address = endpoint()
    plain = bool(address and address.startswith("http://"))
    try:
        return Bucket(
            bucket,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            config={"endpoint": address} if address else {},
            client_options={"allow_http": plain, "connect_timeout": "5s", "timeout": "300s"},
            retry_config={"max_retries": 5, "retry_timeout": _RETRY_FOR},
        )
    except (BaseError, ValueError, OSError) as error:
        raise StoreError(f"cannot set up a client: {summary(error)}", where=f"s3://{bucket}") from error
