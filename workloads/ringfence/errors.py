"""Every way Ringfence refuses, as one closed set of reasons.

An error is one line for a person (what is wrong, where, what to do) and one word for a machine (`reason`, PascalCase,
the same word as in a resource's conditions). Exit codes follow from the type: 2 when the input is at fault, 1 when a
job or a check failed. Messages never hold values of rows, keys or noise.
"""

from __future__ import annotations

from typing import Any, ClassVar


class RingfenceError(Exception):
    """Base of every refusal.

    `message` says what is wrong and what was found; `where` names the file, URL, object or field path; `remedy` says
    what to do. `str(error)` is `where: message; remedy` on one line.
    """

    reason: ClassVar[str] = "Failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where, remedy)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.message, self.where, self.remedy)

    def __str__(self) -> str:
        line = f"{self.where}: {self.message}" if self.where else self.message
        return " ".join((f"{line}; {self.remedy}" if self.remedy else line).split())


def _again(kind: type[RingfenceError], message: str, where: str, remedy: str) -> RingfenceError:
    """An error that crossed a process boundary; its cause, which may hold values, stays behind."""
    return kind(message, where=where, remedy=remedy)


class InvalidInput(RingfenceError):
    """A file, argument or manifest is malformed."""

    reason = "InvalidInput"
    exit_code = 2


class InvalidManifest(InvalidInput):
    """A FederatedJob or PrivacyBudget does not satisfy its schema."""

    reason = "InvalidManifest"


class InvalidSchema(InvalidInput):
    """A declared schema is malformed or contradicts itself."""

    reason = "InvalidSchema"


class InvalidRows(InvalidInput):
    """Rows do not satisfy the declared schema, so nothing was sealed."""

    reason = "InvalidRows"


class InvalidTask(InvalidInput):
    """A task cannot be imported, or its shapes or records do not hold together."""

    reason = "InvalidTask"


class SchemaMismatch(InvalidInput):
    """Silos of one job declare incompatible schemas."""

    reason = "SchemaMismatch"


class PlanImpossible(InvalidInput):
    """No noise reaches the epsilon that the job asks for, or the plan contradicts the dataset."""

    reason = "PlanImpossible"


class MechanismNotAccounted(InvalidInput):
    """No accountant here has a sound bound for the mechanism or its sampling, so no figure is given."""

    reason = "MechanismNotAccounted"


class StoreError(RingfenceError):
    """An object store cannot be read or written."""

    reason = "StoreUnavailable"


class ObjectNotFound(StoreError):
    """The named object is not in the store."""

    reason = "ObjectNotFound"


class ConditionalWritesUnsupported(StoreError):
    """The store cannot create an object only if it is absent, so no ledger may live there."""

    reason = "ConditionalWritesUnsupported"


class KeyRejected(RingfenceError):
    """A key file is missing, malformed, or is not the key that sealed this object."""

    reason = "KeyRejected"


class SignatureRejected(RingfenceError):
    """A signature is missing, false, or made by another owner than the pinned one."""

    reason = "SignatureRejected"


class ShardUnavailable(RingfenceError):
    """A shard is missing, truncated, swapped or altered: it does not open."""

    reason = "ShardUnavailable"


class ManifestUnavailable(RingfenceError):
    """A dataset has no manifest, an altered one, or an older one than was seen before."""

    reason = "ManifestUnavailable"


class CodeNotApproved(RingfenceError):
    """The task's code is not on the owner's list of approved digests."""

    reason = "CodeNotApproved"


class TermsRefused(RingfenceError):
    """What an owner allows does not cover the job. `clauses` names what forbids it, in words of its own, none of the
    message's; they stay behind when the error crosses a process boundary."""

    reason = "TermsRefused"

    def __init__(self, message: str, *, where: str = "", remedy: str = "", clauses: tuple[str, ...] = ()) -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.clauses = clauses


class BudgetExhausted(RingfenceError):
    """The plan does not fit into what the budget has left."""

    reason = "BudgetExhausted"


class LedgerError(RingfenceError):
    """A ledger refuses an operation."""

    reason = "LedgerRefused"


class LedgerMissing(LedgerError):
    """The ledger that a manifest pins is not there, or does not start with the pinned entry."""

    reason = "LedgerMissing"


class LedgerTampered(LedgerError):
    """An entry is malformed, unsigned, wrongly signed or wrongly chained."""

    reason = "LedgerTampered"


class LedgerForked(LedgerError):
    """An entry lies beyond a gap: two histories, or a lost entry."""

    reason = "LedgerForked"


class LedgerRolledBack(LedgerError):
    """The ledger is shorter than, or different from, a head that was seen before."""

    reason = "LedgerRolledBack"


class LedgerOwned(LedgerError):
    """Another PrivacyBudget or user already owns this ledger."""

    reason = "LedgerOwned"


class QuorumLost(RingfenceError):
    """Fewer silos than the quorum published an update before the deadline."""

    reason = "QuorumLost"


class DeadlineExceeded(RingfenceError):
    """The job ran longer than `activeDeadlineSeconds`."""

    reason = "DeadlineExceeded"


class ClusterError(RingfenceError):
    """The Kubernetes API server refuses a request, or cannot be asked.

    `status` is its HTTP status, 0 for no answer; `word` a more exact reason of the operator's, if there is one.
    """

    reason = "ClusterRefused"
    status: int = 0
    word: str = ""


class WorkloadFailed(RingfenceError):
    """A silo's process failed; the message names the place in the code, never a value."""

    reason = "WorkloadFailed"
