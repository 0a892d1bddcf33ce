"""What the operator mounts into a pod, and what a pod leaves for it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ringfence.errors import StoreError, WorkloadFailed
from ringfence.federation.outcome import Outcome
from ringfence.observe import tally

_MESSAGE_BYTES = 4096  # as much of a termination message as the kubelet keeps
_AGAIN = (WorkloadFailed, StoreError)


@dataclass(frozen=True)
class Mounts:
    """Paths in a pod; another `root` only where a pod is rehearsed without a cluster."""

    root: Path = Path("/")

    @property
    def assignment(self) -> Path:
        """What the operator tells this pod: a SiloAssignment or a CoordinatorAssignment."""
        return self.root / "etc/ringfence/assignment/assignment.json"

    @property
    def job_keys(self) -> Path:
        """This party's keys in this job."""
        return self.root / "etc/ringfence/job/keys"

    @property
    def kek(self) -> Path:
        """The folder with the owner's key of the shards, and the next one during a rotation; in a silo's pod only."""
        return self.root / "etc/ringfence/key"

    @property
    def heads(self) -> Path:
        """Ledger heads remembered in this pod."""
        return self.root / "tmp/ringfence-heads"

    @property
    def ready(self) -> Path:
        """There once the silo is prepared: the pod's readiness probe looks for it."""
        return self.root / "tmp/ringfence-ready"

    @property
    def tally(self) -> Path:
        """What the silo's process did so far; the driver beside it shares the folder."""
        return self.root / "tmp/ringfence-tally"

    @property
    def termination(self) -> Path:
        return self.root / "dev/termination-log"

    def leave(self, outcome: Outcome) -> int:
        """Write the termination message for the operator; the exit code that belongs to it.

        0: done. 2: refused, and would be refused again. 1: another attempt may go better.
        """
        document = {"podUid": os.environ.get("POD_UID", ""), **outcome.__dict__}
        if totals := tally.read(self.tally)[2]:
            document["totals"] = totals
        text = json.dumps(document)
        if len(text) > _MESSAGE_BYTES:
            document = {**document, "message": outcome.message[: _MESSAGE_BYTES // 8], "where": outcome.where[:200]}
            text = json.dumps({**document, "remedy": outcome.remedy[:200]})
        self.termination.write_text(text)
        error = outcome.exception("")
        if error is None:
            return 0
        return 1 if isinstance(error, _AGAIN) else 2
