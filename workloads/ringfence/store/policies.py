"""Who may do what in which bucket, as IAM policy documents: S3's language, which MinIO speaks too. Pure.

Every policy is a list of allowances for exact prefixes; nothing else is allowed. What a policy cannot forbid: whoever
may put an entry of a ledger may put it again. In a versioned bucket the first version stays the entry, so that this is
harmless and seen. (MinIO takes the right to get, list or delete an object as one on all its versions; Amazon's S3 has
actions of their own for versions. Both are named where versions are needed.)

A round's number is written `?`, `??`, ... up to five places, never `*`: a star crosses slashes, and `rounds/*/model`
would open the update of a silo that is called "model".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ringfence.errors import InvalidInput
from ringfence.store.open import Location, location

Policy = dict[str, Any]

ANY_JOB = "?" * 36
"""In place of a job's uid: every job, for credentials that outlive one. A uid is a UUID of 36 characters."""

_UID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SILO = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ROUNDS = tuple("?" * places for places in range(1, 6))  # 1 to 99999; a job has at most 10000

_GET = ("s3:GetObject",)
_READ_HISTORY = ("s3:GetObject", "s3:GetObjectVersion")
_PUT = ("s3:PutObject", "s3:AbortMultipartUpload")
_DELETE = ("s3:DeleteObject",)
_ALL = (*_GET, *_PUT, *_DELETE)
_ERASE = (*_ALL, "s3:GetObjectVersion", "s3:DeleteObjectVersion")
_LIST = ("s3:ListBucket",)
_LIST_HISTORY = ("s3:ListBucket", "s3:ListBucketVersions")
_LOOK_AT_BUCKET = ("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration")
_RETAIN = ("s3:GetObjectRetention", "s3:PutObjectRetention")
_MANAGE = (
    "admin:CreateUser", "admin:DeleteUser", "admin:GetUser", "admin:ListUsers",
    "admin:CreatePolicy", "admin:DeletePolicy", "admin:GetPolicy", "admin:AttachUserOrGroupPolicy",
)  # fmt: skip


def silo_policy(*, dataset: str, ledger: str, output: str, uid: str, silo: str) -> Policy:
    """One silo of the job `uid` (or ANY_JOB): reads its own dataset, appends to its own ledger and audit log, keeps its
    own staging, reads the job's models, commits and code, and writes its own updates and absences. Raises InvalidInput.
    """
    data, chain, job = location(dataset), location(ledger), _job(output, uid)
    if not _SILO.fullmatch(silo):
        raise InvalidInput(f"{silo[:80]!r} is not the name of a silo", remedy="lower-case letters, digits and hyphens")
    rounds = [f"rounds/{number}" for number in _ROUNDS]
    staging = f"staging/{_checked(uid)}"
    return _policy(
        _allow(_GET, data, ["manifest/*", "shards/*"]),
        _listing(_LIST, data, ["manifest/"]),
        *_ledger(chain, writes=True),
        *_audit(chain),
        _allow(_ALL, data, [f"{staging}/*"]),
        _listing(_LIST, data, [f"{staging}/"]),
        _allow(_GET, job, [f"{one}/{name}" for one in rounds for name in ("model", "commit")] + ["code/*"]),
        _allow((*_GET, *_PUT), job, [f"{one}/{name}/{silo}" for one in rounds for name in ("updates", "absent")]),
    )


def coordinator_policy(
    *, output: str, uid: str, datasets: Sequence[tuple[str, str]], holdout: str | None = None
) -> Policy:
    """The coordinator of the job `uid`: all of `<output>/<uid>/`, manifests and ledgers of its `datasets` (pairs of
    dataset and ledger) to read, never their shards; manifest and shards of the public `holdout`."""
    job = _job(output, uid)
    seen = [statement for dataset, ledger in datasets for statement in _declared(dataset, ledger)]
    held = [] if holdout is None else _opened(location(holdout))
    return _policy(_allow(_ALL, job, ["*"]), _listing(_LIST, job, [""]), *seen, *held)


def owner_policy(*, dataset: str, ledger: str) -> Policy:
    """The owner of a dataset: everything below its URL, every version too (erasing means that), and appending to its
    ledger and audit log, whose entries nobody may delete; their retention may be prolonged."""
    data, chain = location(dataset), location(ledger)
    # Where the ledger lies below the dataset, whose objects the owner may delete, name what may be deleted instead.
    named = ["manifest/*", "shards/*", "quality/*", "staging/*", "probe/*"]
    folders = named if _within(chain, data) else ["*"]
    return _policy(
        _allow(_ERASE, data, folders),
        _listing(_LIST_HISTORY, data, [""]),
        _allow(_LOOK_AT_BUCKET, Location(data.bucket, ""), None),
        *_ledger(chain, writes=True),
        *_audit(chain),
        _allow(_ALL, chain, ["probe/*"]),
        _allow(_RETAIN, chain, ["ledger/*", "audit/*"]),
        _allow(_LOOK_AT_BUCKET, Location(chain.bucket, ""), None),
    )


def operator_policy(
    *, datasets: Sequence[tuple[str, str]], outputs: Sequence[str], manage_users: bool = False
) -> Policy:
    """The operator: reads manifests, appends to ledgers and audit logs and prolongs their retention, clears what dead
    silos staged (without reading it), and everything below `outputs`.

    With `manage_users` it may also make users and policies (MinIO only). Whoever holds that can give itself any right
    in the store: then the operator is trusted with the store's availability as its administrator is; sealed objects
    stay sealed, and signatures stay signatures.
    """
    chains = [location(ledger) for _, ledger in datasets]
    held = [statement for dataset, ledger in datasets for statement in _declared(dataset, ledger, writes=True)]
    told = [statement for chain in chains for statement in _audit(chain)]
    swept = [statement for dataset, _ in datasets for statement in _swept(location(dataset))]
    kept = [_allow(_RETAIN, chain, ["ledger/*", "audit/*"]) for chain in chains]
    looked = [_allow(_LOOK_AT_BUCKET, Location(name, ""), None) for name in sorted({c.bucket for c in chains})]
    places = [location(url) for url in outputs]
    work = [one for place in places for one in (_allow(_ALL, place, ["*"]), _listing(_LIST, place, [""]))]
    users = [{"Effect": "Allow", "Action": list(_MANAGE)}] if manage_users else []
    return _policy(*held, *told, *swept, *kept, *looked, *work, *users)


def _declared(dataset: str, ledger: str, *, writes: bool = False) -> list[Policy]:
    """What a dataset's owner declares, and its ledger."""
    data = location(dataset)
    return [
        _allow(_GET, data, ["manifest/*"]),
        _listing(_LIST, data, ["manifest/"]),
        *_ledger(location(ledger), writes=writes),
    ]


def _swept(data: Location) -> list[Policy]:
    return [_allow(_DELETE, data, ["staging/*"]), _listing(_LIST, data, ["staging/"])]


def _opened(data: Location) -> list[Policy]:
    return [_allow(_GET, data, ["manifest/*", "shards/*"]), _listing(_LIST, data, ["manifest/"])]


def _ledger(chain: Location, *, writes: bool) -> list[Policy]:
    """Entries with all their versions: the oldest is the entry. Nobody is allowed to delete one."""
    actions = (*_READ_HISTORY, *_PUT) if writes else _READ_HISTORY
    return [_allow(actions, chain, ["ledger/*"]), _listing(_LIST_HISTORY, chain, ["ledger/"])]


def _audit(chain: Location) -> list[Policy]:
    """The dataset's audit log, beside the ledger and no more to be deleted than it."""
    actions = (*_READ_HISTORY, *_PUT)
    return [_allow(actions, chain, ["audit/*"]), _listing(_LIST_HISTORY, chain, ["audit/"])]


def _job(output: str, uid: str) -> Location:
    place = location(output)
    return Location(place.bucket, _under(place, _checked(uid)))


def _checked(uid: str) -> str:
    """A uid that cannot widen a pattern."""
    if uid != ANY_JOB and not _UID.fullmatch(uid):
        raise InvalidInput(f"{uid[:80]!r} is not the uid of a job")
    return uid


def _within(inner: Location, outer: Location) -> bool:
    return inner.bucket == outer.bucket and f"{inner.prefix}/".startswith(f"{outer.prefix}/" if outer.prefix else "")


def _under(place: Location, name: str) -> str:
    return f"{place.prefix}/{name}" if place.prefix else name


def _allow(actions: Iterable[str], place: Location, names: Sequence[str] | None) -> Policy:
    """`actions` on the objects `names` below `place`; None means on the bucket itself."""
    bucket = f"arn:aws:s3:::{place.bucket}"
    resources = [bucket] if names is None else [f"{bucket}/{_under(place, name)}" for name in names]
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _listing(actions: Iterable[str], place: Location, folders: Sequence[str]) -> Policy:
    """Listing, by the condition that the prefix asked for lies within one of `folders` ("" is all of `place`)."""
    prefixes = [f"{_under(place, folder)}" for folder in folders]
    patterns = [pattern for prefix in prefixes for pattern in ((prefix, f"{prefix}*") if prefix else ("*",))]
    return {**_allow(actions, place, None), "Condition": {"StringLike": {"s3:prefix": patterns}}}


def _policy(*statements: Policy) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}
