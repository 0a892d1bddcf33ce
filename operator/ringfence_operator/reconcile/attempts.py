"""Attempts of a silo: one RayCluster each, under a name that is never used again.

An attempt begins in one turn: the status is written first, with the attempt's number, and only if nobody wrote the job
since it was read; so no stale look can begin one. An attempt whose anchor or cluster is not there any more is over: it
is never made again under its name. Only failures of the workload use up attempts; preemption, eviction, suspension and
whatever happened to the operator do not.
"""

from __future__ import annotations

import json

from ringfence.observe.tally import added
from ringfence_operator import reasons
from ringfence_operator.actions import Again, Begin, TellLost
from ringfence_operator.reconcile.outcomes import Ended, ended
from ringfence_operator.reconcile.removing import remove
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Anchor, Children, Refused

_FINAL = ("Lost", "Done")


def settle(turn: Turn, name: str) -> None:
    """Takes note of how a silo's attempt stands, and removes what is over."""
    one = turn.silo_of(name)
    every = turn.seen.children.of_silo(name)
    here = every.of(name, one.attempt) if one.attempt else Children()
    older = _older(every, one.attempt)
    if older:
        remove(turn, older)
    if one.state in _FINAL or one.state in ("Pending", "Stopped"):
        if one.state != "Done":
            remove(turn, here)
        if one.state == "Stopped" and not every:
            turn.silo(name, state="Pending")
        return
    end = next((found for pod in here.pods if (found := ended(pod))), None)
    if end is not None:
        _note(turn, name, end)
        if turn.silo_of(name).state != "Done":
            remove(turn, here)
    elif not _alive(here):
        turn.silo(name, state="Stopped")
        remove(turn, here)
    elif any(pod.main.running and pod.main.ready and not pod.deleting for pod in here.pods):
        turn.silo(name, state="Training", reason=None, message=None)
    elif one.state == "Training":
        turn.silo(name, state="Starting")


def _alive(here: Children) -> bool:
    """Whether the attempt's anchor and its own, unedited cluster are there."""
    anchors = {anchor.uid for anchor in here.anchors if not anchor.deleting}
    return any(one.anchor in anchors and not one.deleting and not one.edited for one in here.clusters)


def _older(every: Children, attempt: int) -> Children:
    return Children(
        anchors=tuple(one for one in every.anchors if one.attempt != attempt),
        clusters=tuple(one for one in every.clusters if one.attempt != attempt),
        pods=tuple(one for one in every.pods if one.attempt != attempt),
        tasks=tuple(one for one in every.tasks if one.attempt != attempt),
    )


def _note(turn: Turn, name: str, end: Ended) -> None:
    if end.totals:
        turn.silo(name, totals=added(turn.silo_of(name).totals or {}, end.totals))
    if end.done:
        turn.silo(name, state="Done", reason=None, message=None)
        return
    failures = turn.silo_of(name).failures + 1
    lost = end.refused or failures > turn.job.spec.backoff_limit
    state = "Lost" if lost else "Stopped"
    turn.silo(name, state=state, failures=failures, reason=end.reason, message=end.message[:1024])


def may_begin(turn: Turn, name: str) -> bool:
    """Whether the silo has no attempt, and nothing of an earlier one is left."""
    return turn.silo_of(name).state == "Pending" and not turn.seen.children.of_silo(name)


def begin(turn: Turn, name: str) -> None:
    """The next attempt."""
    attempt = turn.silo_of(name).attempt + 1
    turn.silo(name, state="Starting", attempt=attempt)
    turn.do(Begin(name, attempt))


def coordinator_missing(turn: Turn) -> bool:
    """Whether no coordinator of this run stands; what is left of earlier ones, or of a broken start, is removed."""
    run = turn.status.run or 0
    here = turn.seen.children.of("", run)
    anchors = {anchor.uid for anchor in here.anchors if not anchor.deleting}
    if any(task.anchor in anchors and not task.deleting for task in here.tasks):
        remove(turn, _older(turn.seen.children.of_silo(""), run))
        return False
    left = turn.seen.children.of_silo("")
    remove(turn, left)
    return not left


def begin_coordinator(turn: Turn) -> None:
    """A coordinator under a new name: the run's number is in it. A run's first is begun as its silos begin to train."""
    fresh = not any(one.type == "Progressing" and one.status == "True" for one in turn.seen.job.status.conditions)
    run = (turn.status.run or 0) + (0 if fresh else 1)
    turn.update(run=run)
    turn.do(Begin("", run))


def tell_lost(turn: Turn) -> None:
    """The coordinator waits for no silo that is lost."""
    lost = {one.name: one.reason or reasons.WORKLOAD_FAILED for one in turn.status.silos if one.state == "Lost"}
    text = json.dumps(lost, sort_keys=True)
    for anchor in _standing(turn):
        if lost and anchor.lost != text:
            turn.do(TellLost(anchor.namespace, anchor.name, text))


def _standing(turn: Turn) -> list[Anchor]:
    return [one for one in turn.seen.children.of("", turn.status.run or 0).anchors if not one.deleting]


def held_back(turn: Turn, trouble: Refused) -> bool:
    """Whether the last write failed so lately that trying again would only make noise."""
    limits = turn.settings.limits
    wait: float = trouble.at + min(limits.retry * 2 ** min(trouble.tries - 1, 6), limits.longest_retry) - turn.now
    if wait > 0:
        turn.do(Again(wait))
    return wait > 0


def trouble(turn: Turn) -> tuple[str, str] | None:
    """Reason and words of the write that failed, while a silo's attempt could not be made for it."""
    found = turn.seen.findings.trouble
    if found is None or not any(may_begin(turn, one.name) for one in turn.status.silos):
        return None
    return found.reason, found.message


def look_again(turn: Turn, seconds: float) -> None:
    turn.do(Again(max(0.1, seconds)))
