"""The closed set of reasons in conditions and Events. docs/operations.md has a remedy for each; a test compares.

Words of `ringfence.errors` are used where a refusal is the same on a laptop; the rest exists in a cluster only.
"""

from __future__ import annotations

from ringfence import errors

INVALID_MANIFEST = errors.InvalidManifest.reason
TERMS_REFUSED = errors.TermsRefused.reason
BUDGET_EXHAUSTED = errors.BudgetExhausted.reason
QUORUM_LOST = errors.QuorumLost.reason
DEADLINE_EXCEEDED = errors.DeadlineExceeded.reason
WORKLOAD_FAILED = errors.WorkloadFailed.reason
STORE_UNAVAILABLE = errors.StoreError.reason

OUTPUT_NOT_GRANTED = "OutputNotGranted"
"""The output lies under no prefix that the platform grants to the job's namespace, or among a dataset's objects."""
BUDGET_MISSING = "BudgetMissing"
"""A silo names a PrivacyBudget that is not there."""
CONSENT_MISSING = "ConsentMissing"
"""An owner does not let the job's service account `use` the budget, or the operator act in the silo's namespace."""
NAME_COLLISION = "NameCollision"
"""An object that is not ours has the name of one that we would make."""
BACKEND_MISSING = "RayCRDNotInstalled"
"""KubeRay is not installed."""
CLUSTER_REFUSED = errors.ClusterError.reason
"""The API server refuses an object that the job needs."""
CLEANUP_BLOCKED = "CleanupBlocked"
"""Something of an ended job cannot be removed."""
NOT_ENDORSED = "StatementRejected"
"""The coordinator's statement is not what the ledgers say, or not signed by the job's key."""

ACCEPTED = "Accepted"
WAITING_FOR_BUDGET = "WaitingForBudget"
RESERVED = "Reserved"
NOTHING_TO_RESERVE = "NothingToReserve"
CLOSED = "Closed"
STARTING = "Starting"
RUNNING = "Running"
REQUEUED = "Requeued"
SUSPENDED = "SuspendedByUser"
RESUMED = "Resumed"
TRAINED = "Trained"
ENDED = "Ended"
IMAGE = "ImagePullBackOff"
UNSCHEDULABLE = "Unschedulable"
CRASH_LOOP = "CrashLoopBackOff"
CONTAINER = "CreateContainerError"
QUEUED = "Queued"
STALLED = "Stalled"
"""A coordinator runs and its rounds do not turn."""
PODS_REFUSED = "PodsRefused"
LEDGER_OPEN = "LedgerOpen"
NOT_A_WRITER = "NotAWriter"
"""The owner has not let this operator's key write the ledger."""
DATASET_UNAVAILABLE = errors.ManifestUnavailable.reason

_OURS = (
    OUTPUT_NOT_GRANTED, BUDGET_MISSING, CONSENT_MISSING, NAME_COLLISION, BACKEND_MISSING,
    CLEANUP_BLOCKED, NOT_ENDORSED, ACCEPTED, WAITING_FOR_BUDGET, RESERVED, NOTHING_TO_RESERVE, CLOSED, STARTING,
    RUNNING, REQUEUED, SUSPENDED, RESUMED, TRAINED, ENDED, IMAGE, UNSCHEDULABLE, CRASH_LOOP, CONTAINER, QUEUED, STALLED,
    PODS_REFUSED, LEDGER_OPEN, NOT_A_WRITER,
)  # fmt: skip


def _errors(kind: type[errors.RingfenceError]) -> set[str]:
    return {kind.reason}.union(*(_errors(each) for each in kind.__subclasses__()))


ALL = frozenset(_OURS) | frozenset(_errors(errors.RingfenceError))
"""Every reason that a condition may have."""

WAITING_IS_WORTH_IT = frozenset(
    {STORE_UNAVAILABLE, errors.ObjectNotFound.reason, BUDGET_MISSING, CONSENT_MISSING, NOT_A_WRITER, CLUSTER_REFUSED}
)
"""Refusals before the start that somebody may lift without touching the job: it waits and asks again."""


def known(name: str) -> str:
    """The reason of the error class called `name` (from a driver's report); WorkloadFailed for any other word."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.RingfenceError):
        return kind.reason
    return WORKLOAD_FAILED
