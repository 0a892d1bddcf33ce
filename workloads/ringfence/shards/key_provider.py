"""Where a silo's process finds its key: a file on a laptop, a mounted Secret in a pod.

A provider is asked for a key by its id, which every shard names, so that during a rotation the old and the new key may
lie side by side. A key service would be a third provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ringfence.errors import KeyRejected
from ringfence.shards.keys import Kek, load_kek
from ringfence.shards.manifest import Manifest

MOUNTED = Path("/etc/ringfence/key")
"""Where a pod's Secret is mounted: its entry `kek`, and during a rotation `kek-next`."""


class KeyProvider(Protocol):
    """Gives keys by id."""

    def find(self, kek_id: str, *, where: str) -> Kek:
        """The key named `kek_id`. Raises KeyRejected, naming `where`, when it is not at hand."""


@dataclass(frozen=True)
class KeyFile:
    """One key in one file."""

    path: Path

    def find(self, kek_id: str, *, where: str) -> Kek:
        """See KeyProvider."""
        return _chosen([load_kek(self.path)], kek_id, where)


@dataclass(frozen=True)
class MountedSecret:
    """Every entry of a Secret that is mounted as a folder. Names that start with a dot are the mount's own."""

    folder: Path = MOUNTED

    def find(self, kek_id: str, *, where: str) -> Kek:
        """See KeyProvider."""
        try:
            entries = sorted(path for path in self.folder.iterdir() if path.is_file() and path.name[0] != ".")
        except OSError as error:
            raise KeyRejected(f"cannot read the Secret: {error.strerror}", where=str(self.folder)) from error
        if not entries:
            raise KeyRejected("the Secret is empty", where=str(self.folder), remedy="give it the entry kek")
        return _chosen([load_kek(path) for path in entries], kek_id, where)


def provider(path: Path) -> KeyProvider:
    """A folder is a mounted Secret, anything else a key file."""
    return MountedSecret(path) if path.is_dir() else KeyFile(path)


def key_of(manifest: Manifest, keys: KeyProvider | None, where: str) -> Kek | None:
    """The key that a dataset's shards are wrapped under; None for a public one. Raises KeyRejected."""
    named = next((shard.kek for shard in manifest.shards if shard.kek is not None), None)
    if named is None:
        return None
    if keys is None:
        raise KeyRejected(f"a key is needed: sealed under {named}", where=where, remedy="name the owner's key file")
    return keys.find(named, where=where)


def _chosen(keys: list[Kek], kek_id: str, where: str) -> Kek:
    for key in keys:
        if key.id == kek_id:
            return key
    given = ", ".join(key.id for key in keys)
    noun = "the key given is" if len(keys) == 1 else "the keys given are"
    remedy = "name the key file that the dataset was sealed with; if it is lost, so are these rows: seal them again"
    raise KeyRejected(f"sealed under {kek_id}, {noun} {given}", where=where, remedy=remedy)
