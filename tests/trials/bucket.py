"""Where a trial's objects lie: a folder in memory, or a prefix of a bucket; filled before, read by the checker after.

Names in a trial's bucket: `<dataset>/ledger/<n>`, `<dataset>/staging/...`, `jobs/<uid>/rounds/...`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.store import Store, Stores


@dataclass(frozen=True)
class Found:
    """An object as the checker gets it: bytes, when it came (seconds), and how many versions it has."""

    data: bytes
    when: float
    versions: int = 1


@dataclass(frozen=True)
class FolderBucket:
    """A trial's objects in `root`."""

    root: Path

    def fill(self, objects: dict[str, bytes]) -> None:
        """Puts the objects that are there when the trial begins."""
        for name, data in objects.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def open(self, name: str) -> Store:
        """The product's store of one dataset or job."""
        return Stores().open((self.root / name).as_uri())

    def read(self) -> dict[str, Found]:
        """All objects; half-written files are none."""
        paths = (path for path in self.root.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {
            path.relative_to(self.root).as_posix(): Found(path.read_bytes(), path.stat().st_mtime) for path in paths
        }

    def remove(self, names: Iterable[str]) -> None:
        """What a store does that is put back from an old copy."""
        for name in names:
            (self.root / name).unlink()


@dataclass(frozen=True)
class RemoteBucket:
    """A trial's objects below `prefix` of a versioned bucket; `client` is the MinIO SDK's, without a proxy."""

    client: Any
    bucket: str
    prefix: str

    def fill(self, objects: dict[str, bytes]) -> None:
        """See FolderBucket."""
        import io

        for name, data in objects.items():
            self.client.put_object(
                bucket_name=self.bucket, object_name=f"{self.prefix}/{name}", data=io.BytesIO(data), length=len(data)
            )

    def open(self, name: str) -> Store:
        """See FolderBucket; the environment's endpoint decides whether a proxy is between."""
        return Stores().open(f"s3://{self.bucket}/{self.prefix}/{name}")

    def read(self) -> dict[str, Found]:
        """See FolderBucket: the oldest version of each object that was never deleted."""
        listed = list(
            self.client.list_objects(
                bucket_name=self.bucket, prefix=f"{self.prefix}/", recursive=True, include_version=True
            )
        )
        deleted = {item.object_name for item in listed if item.is_delete_marker}
        versions: dict[str, list[Any]] = {}
        for item in listed:
            if item.object_name not in deleted:
                versions.setdefault(item.object_name, []).append(item)
        return {name[len(self.prefix) + 1 :]: self._found(found) for name, found in versions.items()}

    def _found(self, versions: list[Any]) -> Found:
        oldest = min(versions, key=lambda item: item.last_modified)
        response = self.client.get_object(
            bucket_name=self.bucket, object_name=oldest.object_name, version_id=oldest.version_id
        )
        try:
            return Found(response.read(), oldest.last_modified.timestamp(), len(versions))
        finally:
            response.close()
            response.release_conn()
