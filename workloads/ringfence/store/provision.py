"""Setting up a MinIO: buckets, locks, users and policies, through its administrator's API. Every step is idempotent.

Nothing else in Ringfence needs that API: on another S3 store the same buckets and the policies of
`ringfence.store.policies` are set up by its own means.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from minio.minioadmin import MinioAdmin
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig

from ringfence.errors import InvalidInput, StoreError
from ringfence.store.policies import Policy

_LONGEST_LOCK = 36_500  # days
_ENABLED = "Enabled"
_NOT_ADMINISTRATOR = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "XMinioAdminInvalidAccessKey")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_TIMEOUT = urllib3.Timeout(connect=5, read=30)


class Provisioner:
    """A MinIO seen by its administrator."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str) -> None:
        """`endpoint` is a URL. Raises InvalidInput unless it is one of http or https."""
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.netloc or address.path not in ("", "/"):
            raise InvalidInput("not the address of a store", where=endpoint[:200], remedy="write http://host:9000")
        self.endpoint = endpoint
        credentials, region = StaticProvider(access_key, secret_key), os.environ.get("AWS_REGION") or "us-east-1"
        secure = address.scheme == "https"
        pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=urllib3.Retry(2, backoff_factor=0.2))
        self._client = Minio(
            endpoint=address.netloc, credentials=credentials, secure=secure, region=region, http_client=pool
        )
        self._admin = MinioAdmin(
            endpoint=address.netloc, credentials=credentials, secure=secure, region=region, http_client=pool
        )

    def bucket(self, name: str, *, versioned: bool, lock_days: int | None) -> None:
        """A bucket `name`. With `lock_days` every object in it is kept that long in COMPLIANCE mode: nobody, the
        administrator neither, deletes or shortens that. Without, the bucket must have no lock at all.

        A lock is never shortened. Raises StoreError for a bucket that is there with or without a lock, against this.
        """
        if lock_days is not None and not 1 <= lock_days <= _LONGEST_LOCK:
            raise InvalidInput(f"a lock lasts 1 to {_LONGEST_LOCK} days, not {lock_days}", where=f"s3://{name}")
        where = f"s3://{name}"
        with _failures("make the bucket", where):
            try:
                self._client.make_bucket(bucket_name=name, object_lock=lock_days is not None)
            except S3Error as error:
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
            found = self._lock(name)
        if (found is not None) != (lock_days is not None):
            raise StoreError(
                "this bucket has an object lock: nothing in it could ever be erased"
                if found is not None
                else "this bucket was made without an object lock, and it cannot be given one",
                where=where,
                remedy="name another bucket",
            )
        with _failures("set up the bucket", where):
            if lock_days is not None and lock_days > (found or 0):
                config = ObjectLockConfig(COMPLIANCE, lock_days, DAYS)
                self._client.set_object_lock_config(bucket_name=name, config=config)
            elif versioned and lock_days is None:
                self._client.set_bucket_versioning(bucket_name=name, config=VersioningConfig(_ENABLED))

    def ensure_user(self, access_key: str, secret_key: str, policy_name: str, policy: Policy) -> None:
        """A user that has exactly `policy`, whatever it had before. Raises InvalidInput for names MinIO refuses."""
        for name in (access_key, policy_name):
            if not _NAME.fullmatch(name):
                raise InvalidInput(f"{name[:80]!r} is no name for a user or policy", where=self.endpoint)
        with _failures(f"set up the user {access_key}", self.endpoint):
            self._admin.policy_add(policy_name, policy=policy)
            self._admin.user_add(access_key, secret_key)
            self._admin.policy_set(policy_name, user=access_key)

    def remove_user(self, access_key: str, policy_name: str) -> None:
        """Removes a user, then its policy; no error when either is gone."""
        with _failures(f"remove the user {access_key}", self.endpoint):
            for remove, name in ((self._admin.user_remove, access_key), (self._admin.policy_remove, policy_name)):
                try:
                    remove(name)
                except MinioAdminException as error:
                    if _code(error) not in ("XMinioAdminNoSuchUser", "XMinioAdminNoSuchPolicy"):
                        raise

    def users(self) -> list[str]:
        """Names of all users but the administrator, whoever made them."""
        with _failures("list the users", self.endpoint):
            return sorted(json.loads(self._admin.user_list()))

    def renew(self, bucket: str, prefix: str, days: int) -> int:
        """Prolongs the lock of every version below `prefix` to `days` from now; returns how many were prolonged."""
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
        with _failures("prolong the lock", f"s3://{bucket}/{prefix}"):
            listed = self._client.list_objects(bucket_name=bucket, prefix=prefix, recursive=True, include_version=True)
            due = [(item.object_name, item.version_id) for item in listed if not item.is_delete_marker]
            return sum(self._prolonged(bucket, name, version, until) for name, version in due)

    def _prolonged(self, bucket: str, name: str, version: str, until: datetime) -> bool:
        found = self._client.get_object_retention(bucket_name=bucket, object_name=name, version_id=version)
        if found is not None and found.retain_until_date >= until:
            return False
        self._client.set_object_retention(
            bucket_name=bucket, object_name=name, config=Retention(COMPLIANCE, until), version_id=version
        )
        return True

    def _lock(self, bucket: str) -> int | None:
        """Days of the bucket's lock; 0 for a lock without a default, None for no lock."""
        try:
            config = self._client.get_object_lock_config(bucket_name=bucket)
        except S3Error as error:
            if error.code == "ObjectLockConfigurationNotFoundError":
                return None
            raise
        days = int(config.duration or 0)
        return days if config.duration_unit == DAYS.title() or not days else 365 * days


def _code(error: MinioAdminException) -> str:
    """The server's own code of an administrator's error, which the library leaves in the body."""
    try:
        return str(json.loads(error._body)["Code"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error._code}"


@contextmanager
def _failures(verb: str, where: str) -> Iterator[None]:
    """An error of the SDK becomes a StoreError of one line."""
    try:
        yield
    except (MinioAdminException, S3Error) as error:
        code = _code(error) if isinstance(error, MinioAdminException) else str(error.code)
        remedy = "run it with the credentials of the store's administrator" if code in _NOT_ADMINISTRATOR else ""
        raise StoreError(f"cannot {verb}: {code}", where=where, remedy=remedy) from error
    except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        remedy = "is this the address of a MinIO?"
        raise StoreError(f"cannot {verb}: {type(error).__name__}", where=where, remedy=remedy) from error
