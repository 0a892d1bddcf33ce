"""A dataset's audit log and its ledger, told to people as one story.

Nothing is written twice. A job's releases are the charges of the ledger: each stands there before its bytes leave, with
their digest, and a release whose outcome nobody knows counts as one. An entry after it could only say less.
"""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.privacy.ledger.history import Row
from ringfence.privacy.ledger.history import story as ledger_story
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit_entry import Entry, JobNote
from ringfence.shards.auditing import Audit

_WORDS = {
    "sealed": "sealed the dataset",
    "appended": "appended rows",
    "rotated": "wrapped its keys anew",
    "resealed": "sealed every shard anew",
    "erased": "erased a person",
    "expired": "swept rows whose retention is over",
    "accessed": "looked up what is held on a person",
    "opened": "opened shards",
    "refused": "refused",
}


def tell(audit: Audit, ledger: Ledger | None) -> Iterator[str]:
    """A line an event: the entries that verified, and between them what jobs did by the ledger, in the order in which
    each entry saw the ledger."""
    rows = ledger_story(ledger) if ledger else []
    told = 0
    for entry in audit.entries:
        upto = entry.ledger if entry.ledger is not None else -1
        yield from (_row(row) for row in rows if told <= row.index <= upto)
        told = max(told, upto + 1)
        yield f"audit  {entry.index:>4}  {entry.time} {audit.speakers.name(entry)} {_what(entry)}"
    yield from (_row(row) for row in rows if row.index >= told)


def _row(row: Row) -> str:
    return f"ledger {row.index:>4}  {row.who} {row.what}"


def _what(entry: Entry) -> str:
    version = f", version {entry.version}" if entry.version else ""
    details = "".join(f", {count} {name}" for name, count in sorted(entry.details.items()))
    return f"{_WORDS[entry.event]}{_job(entry.job) if entry.job else ''}{version}{details}"


def _job(job: JobNote) -> str:
    uid = f" ({job.uid})" if job.uid else ""
    because = f": {job.reason}" if job.reason else ""
    clauses = f", by {', '.join(job.clauses)}" if job.clauses else ""
    return f" for job {job.name}{uid} of {job.consumer or 'nobody named'}{because}{clauses}{_at(job.object)}"


def _at(name: str) -> str:
    return f", at {name}" if name else ""
