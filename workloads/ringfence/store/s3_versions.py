"""Versions of an object in an S3 bucket, which obstore cannot list: a few calls of the MinIO SDK."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider
from minio.error import MinioException, S3Error

from ringfence.errors import ObjectNotFound, StoreError
from ringfence.store.connection import endpoint, summary
from ringfence.store.interface import ObjectVersion


def versions(bucket: str, path: str, *, where: str) -> list[ObjectVersion]:
    """All versions and delete markers of the object `path`, oldest first."""
    with _failures(where):
        listed = _client().list_objects(bucket_name=bucket, prefix=path, include_version=True)
        found = [item for item in listed if item.object_name == path]
    # A page lists newest first, versions before delete markers; the times tell how they interleave. Equal times keep
    # the order of the listing, and a version stands before a marker, since a marker alone says nothing.
    found.reverse()
    found.sort(key=lambda item: (item.last_modified, item.is_delete_marker))
    return [
        ObjectVersion(
            item.version_id or "null",
            item.size or 0,
            deleted=bool(item.is_delete_marker),
            when=item.last_modified.isoformat(timespec="milliseconds") if item.last_modified else "",
            who=item.owner_name or item.owner_id or "",
        )
        for item in found
    ]


def get_version(bucket: str, path: str, version_id: str, *, where: str) -> bytes:
    """The bytes of one version. Raises ObjectNotFound."""
    with _failures(where):
        response = _client().get_object(bucket_name=bucket, object_name=path, version_id=version_id)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()


def purge(bucket: str, path: str, *, where: str) -> None:
    """Deletes every version and delete marker of the object `path`. Raises StoreError when one remains."""
    for version in versions(bucket, path, where=where):
        with _failures(where, "destroy every version"):
            _client().remove_object(bucket_name=bucket, object_name=path, version_id=version.version_id)
    left = versions(bucket, path, where=where)
    if left:
        raise StoreError(f"cannot destroy every version: {len(left)} remain", where=where)


def _client() -> Minio:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    user = os.environ.get("AWS_ACCESS_KEY_ID", "")
    return _connected(endpoint() or f"https://s3.{region}.amazonaws.com", region, user, os.getpid())


@lru_cache(maxsize=8)
def _connected(url: str, region: str, _user: str, _process: int) -> Minio:
    """One client, and so one pool of connections, for each server, user and process."""
    address = urlsplit(url)
    return Minio(
        endpoint=address.netloc,
        secure=address.scheme == "https",
        region=region,
        credentials=ChainedProvider([EnvAWSProvider(), IamAwsProvider()]),
    )


@contextmanager
def _failures(where: str, verb: str = "read versions") -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"):  # the last: a delete marker has no bytes
            raise ObjectNotFound("no such version of this object", where=where) from error
        raise StoreError(f"cannot {verb}: {error.code}", where=where) from error
    except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        raise StoreError(f"cannot {verb}: {summary(error)}", where=where) from error
