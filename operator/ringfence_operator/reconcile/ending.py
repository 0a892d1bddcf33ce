"""After the end: children removed, reservations closed, credentials revoked, then the finalizer, then (ttl) the job.

What cannot be removed is told in `CleanupBlocked`, and the finalizer goes all the same after a bound: a job must not
hold its namespace for ever because somebody else's namespace refuses us. What is left then is named.
"""

from __future__ import annotations

from ringfence_operator import reasons
from ringfence_operator.actions import Again, Ask, DeleteJob, DropFinalizer, Question, Tell
from ringfence_operator.names import FINALIZER
from ringfence_operator.reconcile.admitting import ask_later
from ringfence_operator.reconcile.removing import remove
from ringfence_operator.reconcile.turn import Turn, seconds
from ringfence_operator.seen import Refused


def leave(turn: Turn) -> None:
    """A job that is being deleted: the same as after an end, and then nothing of it may be left."""
    if FINALIZER in turn.seen.job.finalizers:
        _clean(turn, since=seconds(turn.seen.job.deleted_at))


def tidy(turn: Turn) -> None:
    """A job that ended: cleaned up once; its resource stays for people until its time to live is over."""
    if FINALIZER in turn.seen.job.finalizers:
        _clean(turn, since=seconds(turn.status.completed))
        return
    resource = turn.seen.job.resource
    ttl = resource.spec.ttl_seconds_after_finished if resource else None
    if ttl is not None:
        left = seconds(turn.status.completed) + ttl - turn.now
        turn.do(Again(left) if left > 0 else DeleteJob())


def _clean(turn: Turn, since: float) -> None:
    left = _left(turn)
    if not left:
        if turn.holds("CleanupBlocked"):
            turn.condition("CleanupBlocked", False, reasons.ENDED, "nothing is left")
        turn.do(DropFinalizer())
        return
    wait = since + turn.settings.limits.cleanup - turn.now
    if wait <= 0:
        turn.condition("CleanupBlocked", True, reasons.CLEANUP_BLOCKED, f"given up; left behind: {left}")
        turn.do(Tell(True, reasons.CLEANUP_BLOCKED, f"given up; left behind: {left}"), DropFinalizer())
        return
    trouble = turn.seen.findings.trouble
    if trouble is not None:
        turn.condition("CleanupBlocked", True, reasons.CLEANUP_BLOCKED, f"{left}: {trouble.message}")
    turn.do(Again(min(wait, turn.settings.limits.retry)))


def _left(turn: Turn) -> str:
    """What is not cleaned up yet, in words; asks for its removal. Reservations are closed once nothing runs."""
    findings, children = turn.seen.findings, turn.seen.children
    if children:
        remove(turn, children)
        held = [(one.namespace, one.name) for one in children.anchors]
        held += [(one.namespace, one.name) for one in children.clusters]
        places = sorted({"/".join(one) for one in held})
        return f"objects {', '.join(places[:5])}" if places else "pods that are ending"
    for question, answer, words in (
        (Question.CLOSE, findings.closed, "open reservations"),
        (Question.REVOKE, findings.revoked, "store credentials"),
    ):
        if isinstance(answer, Refused):
            ask_later(turn, question, answer)
            return f"{words} ({answer.message})"
        if answer is None:
            turn.do(Ask(question))
            return words
    return ""
