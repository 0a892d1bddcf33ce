"""Carrying out what was decided, in order; the first failure ends the turn and becomes a finding.

Before every write the lease is looked at. Whatever a turn did not come to is decided anew at the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from ringfence.errors import ClusterError, RingfenceError
from ringfence.observe.metrics.controller import ControllerMetrics
from ringfence_operator import reasons
from ringfence_operator.actions import (
    Action,
    AddFinalizer,
    Again,
    Ask,
    AskConsent,
    Begin,
    Delete,
    DeleteJob,
    Document,
    DropFinalizer,
    Tell,
    TellLost,
    Write,
)
from ringfence_operator.controller import asking, beginning
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.events import event
from ringfence_operator.controller.kinds import CONFIGS, JOBS, OF_KIND
from ringfence_operator.controller.notes import Notes
from ringfence_operator.controller.port import Port
from ringfence_operator.names import FINALIZER
from ringfence_operator.seen import Job, Refused, Seen
from ringfence_operator.settings import Settings


class NotLeading(Exception):
    """The lease is another's now: nothing more is written."""


class Stale(Exception):
    """Somebody wrote the job since it was read: look again."""


@dataclass(frozen=True)
class Hands:
    """All that carrying out needs."""

    api: Api
    cache: Cache
    notes: Notes
    port: Port
    settings: Settings
    leading: Callable[[], bool]
    metrics: ControllerMetrics = field(default_factory=lambda: ControllerMetrics(CollectorRegistry()))

    async def api_write(self, call: Any) -> Document:
        """One write to the API server, if this replica still leads."""
        if not self.leading():
            call.close()
            raise NotLeading
        found: Document = await call
        return found


async def carry(hands: Hands, seen: Seen, actions: list[Action]) -> float | None:
    """Does it all; seconds after which to look again even if nothing changes, 0 for at once, None for never."""
    after: list[float] = []
    try:
        for action in actions:
            found = await _one(hands, seen, action)
            if found is not None:
                after.append(found)
    except Stale:
        await _reread(hands, seen.job)
        return 0.0
    except RingfenceError as error:
        hands.notes.note(seen.job.uid, trouble=refusal(error, seen.now))
        tries = hands.notes.of(seen.job.uid).trouble
        return min(2.0 ** min(tries.tries if tries else 1, 5), 30.0)
    cleaning = bool(seen.job.status.completed or seen.job.deleted_at)
    if any(isinstance(one, Begin) or (cleaning and isinstance(one, Delete)) for one in actions):
        hands.notes.note(seen.job.uid, trouble=None)
    return min(after, default=None)


def refusal(error: RingfenceError, now: float) -> Refused:
    """An error as a finding. A 403 means that a namespace's owner has not let us in."""
    reason = (error.word if isinstance(error, ClusterError) else "") or error.reason
    if isinstance(error, ClusterError) and error.status == 403:
        reason = reasons.CONSENT_MISSING
    return Refused(reason, str(error), now)


async def _one(hands: Hands, seen: Seen, action: Action) -> float | None:
    job = seen.job
    match action:
        case AddFinalizer():
            await _finalizers(hands, job, [*job.finalizers, FINALIZER])
            return 0.0
        case DropFinalizer():
            await _finalizers(hands, job, [one for one in job.finalizers if one != FINALIZER])
        case Write():
            await _write(hands, seen, action)
            return 0.0
        case Begin():
            await beginning.begin(hands, seen, action)
            return 0.0
        case Delete():
            kind = OF_KIND[action.kind]
            await hands.api_write(hands.api.delete(kind, action.namespace, action.name, action.uid))
        case TellLost():
            patch = {"data": {"lost": action.lost}}
            found = await hands.api_write(hands.api.merge(CONFIGS, action.namespace, action.name, patch))
            hands.cache.put(CONFIGS, found)
        case Tell():
            await _tell(hands, job, action)
        case Ask():
            await asking.ask(hands, seen, action.question)
            return 0.0
        case AskConsent():
            await asking.consent(hands, seen, action.silo)
            return 0.0
        case DeleteJob():
            await hands.api_write(hands.api.delete(JOBS, job.namespace, job.name, job.uid))
        case Again():
            return action.seconds
    return None


async def _finalizers(hands: Hands, job: Job, finalizers: list[str]) -> None:
    document = hands.cache.document(job.uid)
    if document is None:
        raise Stale
    version = document["metadata"]["resourceVersion"]
    patch = {"metadata": {"finalizers": finalizers, "resourceVersion": version, "uid": job.uid}}
    await _fenced(hands, job, hands.api.merge(JOBS, job.namespace, job.name, patch))


async def _write(hands: Hands, seen: Seen, action: Write) -> None:
    job, document = seen.job, hands.cache.document(seen.job.uid)
    if document is None:
        raise Stale
    document["status"] = action.status.to_document()
    await _fenced(hands, job, hands.api.replace_status(JOBS, document))
    hands.notes.note(job.uid, wrote=seen.now)


async def _fenced(hands: Hands, job: Job, call: Any) -> None:
    """A write of the job itself; only the version that was read is written."""
    try:
        found = await hands.api_write(call)
    except ClusterError as error:
        if error.status in (404, 409):
            raise Stale from error
        raise
    if found["metadata"].get("uid") == job.uid:
        hands.cache.put(JOBS, found)


async def _reread(hands: Hands, job: Job) -> None:
    try:
        hands.cache.put(JOBS, await hands.api.get(JOBS, job.namespace, job.name))
    except ClusterError:
        return  # an event or the next LIST will tell


async def _tell(hands: Hands, job: Job, action: Tell) -> None:
    """An Event is for people: one that cannot be written stops nothing."""
    try:
        await hands.api_write(hands.api.create(event(job, action, hands.settings.identity)))
    except ClusterError:
        return
