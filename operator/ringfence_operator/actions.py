"""What `reconcile` decides; the controller carries it out in order and stops at the first that fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ringfence.spec.status import FederatedJobStatus

Document = dict[str, Any]


@dataclass(frozen=True)
class AddFinalizer:
    """Ours, before the first effect outside."""


@dataclass(frozen=True)
class DropFinalizer:
    """Ours: nothing of the job is left anywhere."""


@dataclass(frozen=True)
class Write:
    """The status, if nobody wrote the job since it was read: the fence before a new attempt."""

    status: FederatedJobStatus


@dataclass(frozen=True)
class Begin:
    """Makes one attempt: its anchor, then what the anchor owns, the one that starts pods last."""

    silo: str
    attempt: int


@dataclass(frozen=True)
class Delete:
    """One object, if it still has this uid; what it owns goes with it."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class TellLost:
    """Tells the coordinator, by its anchor, which silos will not answer any more and why (JSON)."""

    namespace: str
    name: str
    lost: str


@dataclass(frozen=True)
class Tell:
    """An Event on the job."""

    warning: bool
    reason: str
    message: str


class Question(Enum):
    """What is asked outside the cluster's objects; each may be asked again at any time."""

    ACCEPT = "accept"
    RESERVE = "reserve"
    CLOSE = "close"
    ENDORSE = "endorse"
    REVOKE = "revoke"


@dataclass(frozen=True)
class Ask:
    """Asks; the answer is among the findings when the job is looked at again."""

    question: Question


@dataclass(frozen=True)
class AskConsent:
    """Asks a silo's owner, by the API server."""

    silo: str


@dataclass(frozen=True)
class DeleteJob:
    """The job has ended and its time to live is over."""


@dataclass(frozen=True)
class Again:
    """Look again after so many seconds, even if nothing changes."""

    seconds: float


Action = AddFinalizer | DropFinalizer | Write | Begin | Delete | TellLost | Tell | Ask | AskConsent | DeleteJob | Again
