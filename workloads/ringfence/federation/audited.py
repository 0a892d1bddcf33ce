"""A silo's opening of its shards, told to the dataset's audit log by the key that the reservation names."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import Reservation
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import JobNote
from ringfence.shards.job_log import JobLog
from ringfence.shards.manifest import Manifest


def audited(
    manifest: Manifest, ledger: Ledger | None, reservation: Reservation | None, key: Ed25519PrivateKey
) -> AbstractContextManager[None]:
    """Goes around reading the key and opening: `opened` is in the log before, `refused` after what refused.

    Nothing for a public dataset: anyone may open it, and nobody vouches for who did.
    """
    if ledger is None or reservation is None:
        return nullcontext()
    reserve = reservation.reserve
    job = JobNote(uid=reserve.job, name=reserve.job_name, consumer=reserve.consumer, silo=reserve.silo)
    return JobLog(AuditLog(ledger.store, manifest.dataset, key, ledger), manifest, job).opening()
