"""The laptop's state directory: unfinished jobs, their keys, and the ledger heads and manifests seen.

    jobs/<uid>/run.json      spec digest, pinned manifests, whether it is finished
    jobs/<uid>/keys/<party>  that party's secrets
    jobs/<uid>/progress.json what the run tells of itself, for `ringfence watch`
    jobs/<uid>/tally/<silo>  what the silo's process is doing and did so far
    identity                 this user's signing key
    heads/                   remembered ledger heads (a witness against rollback)
    manifests/<dataset>      the highest manifest version seen
    sealed/<dataset>         where a dataset lies that was sealed here

`$RINGFENCE_STATE`, else `$XDG_STATE_HOME/ringfence`, else `~/.local/state/ringfence`.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import RingfenceError, StoreError
from ringfence.privacy import jobkeys
from ringfence.privacy.ledger.witness import FileWitness, Witness


@dataclass(frozen=True)
class RunRecord:
    """One job on this machine.

    `manifests` pins (version, digest) for each silo, so that a resumed job keeps its plan; `before` is what each
    private silo's ledger read when the job began.
    """

    uid: str
    spec_digest: str
    manifests: dict[str, tuple[int, str]]
    before: dict[str, str]
    finished: bool = False


class StateDirectory:
    """Reads and writes the state directory; every write is atomic and synced."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    @property
    def heads(self) -> Path:
        return self.root / "heads"

    @property
    def witness(self) -> Witness:
        return FileWitness(self.heads)

    def new(self, spec_digest: str, manifests: dict[str, tuple[int, str]], before: dict[str, str]) -> RunRecord:
        record = RunRecord(str(uuid.uuid4()), spec_digest, manifests, before)
        self._write(record)
        return record

    def finish(self, record: RunRecord) -> None:
        self._write(replace(record, finished=True))

    def unfinished(self, spec_digest: str) -> RunRecord | None:
        """The newest unfinished job of this spec, or None."""
        paths = sorted(self.root.glob("jobs/*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        records = (_read(path) for path in paths)
        return next((r for r in records if r and r.spec_digest == spec_digest and not r.finished), None)

    def key_path(self, uid: str, party: str) -> Path:
        return self.root / "jobs" / uid / "keys" / party

    def progress_path(self, uid: str) -> Path:
        return self.root / "jobs" / uid / "progress.json"

    def runs(self) -> list[str]:
        """Uids of the jobs that ran here, the newest first."""
        paths = sorted(self.root.glob("jobs/*/progress.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.parent.name for path in paths]

    def running(self, uid: str) -> bool:
        """Whether a process of this machine runs the job now."""
        try:
            with (self.root / "jobs" / uid / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def tally_path(self, uid: str, silo: str) -> Path:
        return self.root / "jobs" / uid / "tally" / silo

    def keys(self, uid: str, party: str) -> jobkeys.JobKeys:
        """The party's keys in this job, made at first use."""
        try:
            return jobkeys.create(self.key_path(uid, party))
        except OSError as error:
            raise _unwritable(self.root, error) from error

    def identity(self) -> Ed25519PrivateKey:
        """This user's own signing key, made at first use: it endorses statements of jobs admitted here."""
        try:
            return jobkeys.create(self.root / "identity").sign
        except OSError as error:
            raise _unwritable(self.root, error) from error

    def seen_manifest(self, dataset: str) -> int:
        path = self.root / "manifests" / dataset
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            return 0

    def remember_manifest(self, dataset: str, version: int) -> None:
        if version > self.seen_manifest(dataset):
            self._replace(self.root / "manifests" / dataset, str(version))

    def sealed_here(self, root: str) -> dict[str, str]:
        """URL by id of the datasets that were sealed on this machine, of those whose `s3://` URLs meant folders below
        `root` ("" where they meant a real store)."""
        found = ((path.name, _read_place(path)) for path in sorted((self.root / "sealed").glob("ds-*")))
        return {name: place[0] for name, place in found if place and place[1] == root}

    def remember_sealed(self, dataset: str, url: str, root: str) -> None:
        self._replace(self.root / "sealed" / dataset, json.dumps([url, root]))

    def forget_sealed(self, dataset: str) -> None:
        (self.root / "sealed" / dataset).unlink(missing_ok=True)

    @contextmanager
    def lock(self, uid: str) -> Iterator[None]:
        """Held while a process of this machine runs the job; a killed process lets go of it."""
        path = self.root / "jobs" / uid / "lock"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RingfenceError(
                    "this job is already running on this machine", where=uid, remedy="wait for it or stop it first"
                ) from error
            yield

    def _write(self, record: RunRecord) -> None:
        text = json.dumps({**record.__dict__, "manifests": {k: list(v) for k, v in record.manifests.items()}})
        self._replace(self.root / "jobs" / record.uid / "run.json", text)

    def _replace(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            with temporary.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise _unwritable(self.root, error) from error


def default_root() -> Path:
    """Where state lies unless told otherwise."""
    if explicit := os.environ.get("RINGFENCE_STATE"):
        return Path(explicit)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "ringfence"


def _unwritable(root: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the state directory cannot be written: {error.strerror}",
        where=str(root),
        remedy="make room there, or set RINGFENCE_STATE to a folder of yours",
    )


def _read_place(path: Path) -> tuple[str, str] | None:
    try:
        url, root = json.loads(path.read_text())
        return str(url), str(root)
    except (OSError, ValueError, TypeError):
        return None


def _read(path: Path) -> RunRecord | None:
    try:
        document = json.loads(path.read_text())
        pins = {silo: (int(version), str(digest)) for silo, (version, digest) in document["manifests"].items()}
        before = {silo: str(epsilon) for silo, epsilon in document["before"].items()}
        return RunRecord(document["uid"], document["spec_digest"], pins, before, bool(document["finished"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
