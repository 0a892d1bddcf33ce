"""One look at a job: the status as it is being written anew, and what was decided so far.

Conditions change their time only with their status; an Event tells each change once; the status is written once a turn,
and not at all when nothing changed or when only progress did and the last write was moments ago.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from ringfence.spec.job import FederatedJob
from ringfence.spec.status import Condition, FederatedJobStatus, SiloStatus
from ringfence_operator import reasons
from ringfence_operator.actions import Action, AddFinalizer, Again, Tell, Write
from ringfence_operator.names import FINALIZER
from ringfence_operator.seen import Seen
from ringfence_operator.settings import Settings

_LONGEST = 1024
_FIGURES = ("round", "eta", "metrics", "totals", "epsilon", "last_checkpoint")
_WARNINGS = frozenset({"Failed", "CleanupBlocked"})
_PHASES = (
    ("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended"), ("Progressing", "Training"),
    ("BudgetReserved", "Starting"), ("Accepted", "Waiting"),
)  # fmt: skip


def stamp(seconds: float) -> str:
    """A time as the API writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float:
    """The time that the API wrote; 0 for none or for what is no time."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


class Turn:
    """Collects decisions about the job in `seen`."""

    def __init__(self, seen: Seen, settings: Settings) -> None:
        self.seen = seen
        self.settings = settings
        self.now = seen.now
        self.status: FederatedJobStatus = seen.job.status
        self._first: list[Action] = []
        self._then: list[Action] = []
        self._tell: list[Tell] = []

    @property
    def job(self) -> FederatedJob:
        """The job's manifest; only asked for once it is known to be well formed."""
        if self.seen.job.resource is None:
            raise ValueError("a job that is not well formed has no spec")
        return self.seen.job.resource

    def do(self, *actions: Action) -> None:
        """Carried out after the status is written."""
        self._then.extend(actions)

    def first(self, action: Action) -> None:
        """Carried out before anything else."""
        self._first.append(action)

    def hold(self) -> bool:
        """Makes sure of the finalizer; False when only this turn adds it."""
        if FINALIZER in self.seen.job.finalizers:
            return True
        if not self._first:
            self._first.append(AddFinalizer())
        return False

    def update(self, **fields: Any) -> None:
        """Changes fields of the status."""
        self.status = self.status.model_copy(update=fields)

    def silo(self, name: str, **fields: Any) -> None:
        """Changes fields of one silo's status."""
        silos = tuple(one.model_copy(update=fields) if one.name == name else one for one in self.status.silos)
        self.update(silos=silos)

    def silo_of(self, name: str) -> SiloStatus:
        return next((one for one in self.status.silos if one.name == name), SiloStatus(name=name))

    def holds(self, kind: str) -> bool:
        """Whether the condition is True now."""
        return any(one.type == kind and one.status == "True" for one in self.status.conditions)

    def reason(self, kind: str) -> str:
        return next((one.reason for one in self.status.conditions if one.type == kind), "")

    def condition(self, kind: str, status: bool | None, reason: str, message: str) -> None:
        """Sets a condition; a change of its status or reason is told as an Event."""
        value: Literal["True", "False", "Unknown"] = "Unknown" if status is None else "True" if status else "False"
        message = message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
        old = next((one for one in self.status.conditions if one.type == kind), None)
        since = old.last_transition_time if old and old.status == value else stamp(self.now)
        new = Condition(
            type=kind,
            status=value,
            reason=reason,
            message=message,
            last_transition_time=since,
            observed_generation=self.seen.job.generation,
        )
        others = [one for one in self.status.conditions if one.type != kind]
        self.update(conditions=tuple(sorted([*others, new], key=lambda one: one.type)))
        if old is None or (old.status, old.reason) != (value, reason):
            warning = kind in _WARNINGS or (value == "False" and reason not in _CALM)
            self._tell = [one for one in self._tell if one.message != message]
            self._tell.append(Tell(warning, reason, message or f"{kind} is {value}"))

    def fail(self, reason: str, message: str) -> None:
        """The job's end without a model."""
        self.condition("Failed", True, reason, message)
        self.end(reason)

    def end(self, reason: str) -> None:
        if self.holds("Progressing"):
            self.condition("Progressing", False, reason, "")
        self.update(completed=stamp(self.now), eta=None)

    def finish(self) -> list[Action]:
        """Everything decided, in the order in which it is carried out."""
        self.update(observed_generation=self.seen.job.generation, phase=self._phase())
        writes: list[Action] = []
        wait = self._progress_only()
        if self.status != self.seen.job.status and not wait:
            writes = [Write(self.status)]
        later: list[Action] = [Again(wait)] if wait else []
        return [*self._first, *writes, *self._then, *self._tell, *later]

    def _phase(self) -> str:
        return next((phase for kind, phase in _PHASES if self.holds(kind)), "Pending")

    def _progress_only(self) -> float:
        """Seconds until a write of nothing but progress is due; 0 when something else changed, or it is due."""
        old = self.seen.job.status
        if self.status.model_copy(update={name: getattr(old, name) for name in _FIGURES}) != old:
            return 0.0
        due = self.seen.findings.wrote + self.settings.limits.progress - self.now
        return max(0.0, due) if self.status != old else 0.0


_CALM = frozenset(
    {
        reasons.WAITING_FOR_BUDGET, reasons.STARTING, reasons.RUNNING, reasons.CLOSED, reasons.RESUMED, reasons.ENDED,
        reasons.TRAINED, reasons.SUSPENDED, reasons.QUEUED,
    }
)  # fmt: skip
