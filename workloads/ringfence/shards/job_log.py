"""What a job does with a dataset, told to the audit log by the silo that does it.

The owner's key is never where a job runs. A silo signs with its key of this job, which the job's reservation in the
ledger names: so a reader knows which job and silo speak, and that they may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ringfence.errors import KeyRejected, RingfenceError, ShardUnavailable, TermsRefused
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import JobNote
from ringfence.shards.manifest import Manifest

_OBJECT = re.compile(r"shards/sh-[0-9a-f]{32}")


@dataclass(frozen=True)
class JobLog:
    """One silo of one job, about to open the shards that `manifest` lists."""

    log: AuditLog
    manifest: Manifest
    job: JobNote

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Around an opening: told before a key is read, and refused afterwards if terms, key or a shard refuse it.

        Raises StoreError, with nothing opened, when the log cannot be written.
        """
        self.log.record(
            "opened",
            version=self.manifest.version,
            manifest=self.manifest.digest(),
            job=self.job,
            shards=len(self.manifest.training),
        )
        try:
            yield
        except (KeyRejected, ShardUnavailable, TermsRefused) as error:
            with suppress(RingfenceError):  # what is raised is the refusal, whether it could be told or not
                self._refused(error)
            raise

    def _refused(self, error: RingfenceError) -> None:
        """Only the error's words of closed sets are written, none of its message."""
        named = _OBJECT.search(error.where)
        job = self.job.model_copy(
            update={
                "reason": error.reason,
                "clauses": error.clauses if isinstance(error, TermsRefused) else (),
                "object": named.group() if named else "",
            }
        )
        self.log.record("refused", version=self.manifest.version, manifest=self.manifest.digest(), job=job)
