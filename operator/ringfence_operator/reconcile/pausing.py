"""Stopping without ending: suspension by the user, and queueing again when clusters do not start in time.

Both take the same way: every pod goes, then the reservation is closed, and only then the run counts as stopped. A later
start is a new run with new attempts and a new reservation for the rounds that were not charged.
"""

from __future__ import annotations

import zlib

from ringfence_operator import reasons
from ringfence_operator.actions import Ask, Question
from ringfence_operator.reconcile.admitting import ask_later
from ringfence_operator.reconcile.removing import remove
from ringfence_operator.reconcile.turn import Turn, seconds, stamp
from ringfence_operator.seen import Refused

_LONGEST_BACKOFF = 3600


def awake(turn: Turn) -> bool:
    """Whether the job is neither suspended nor being stopped."""
    if turn.seen.job.suspended:
        if stopped(turn, reasons.SUSPENDED, "suspend is true"):
            turn.condition("Suspended", True, reasons.SUSPENDED, "nothing runs and nothing is reserved")
        return False
    if turn.holds("Suspended"):
        turn.condition("Suspended", False, reasons.RESUMED, "goes on from its last committed round")
    if turn.reason("ClustersReady") == reasons.REQUEUED:
        if stopped(turn, reasons.REQUEUED, "its clusters did not start in time"):
            turn.condition("ClustersReady", False, reasons.WAITING_FOR_BUDGET, "queues again")
        return False
    return True


def requeue(turn: Turn) -> None:
    """Gives up this run's start: everything goes, and the job queues again after a while with jitter."""
    words = f"no start within {int(turn.settings.limits.start)} seconds; everything is given back and queues again"
    turn.condition("ClustersReady", False, reasons.REQUEUED, words)
    run = turn.status.run or 1
    wait = min(_LONGEST_BACKOFF, 60 * 2 ** min(run - 1, 6))
    jitter = zlib.crc32(f"{turn.seen.job.uid}/{run}".encode()) % max(1, wait // 2)
    turn.update(retry_after=stamp(turn.now + wait + jitter))


def stopped(turn: Turn, reason: str, words: str) -> bool:
    """Removes what runs, then closes the reservation. True once both are done, as the conditions then say."""
    if turn.holds("Progressing"):
        turn.condition("Progressing", False, reason, words)
    _stop_clock(turn)
    for one in turn.status.silos:
        if one.state != "Lost":
            turn.silo(one.name, state="Stopped" if turn.seen.children.of_silo(one.name) else "Pending")
    if turn.seen.children:
        remove(turn, turn.seen.children)
        return False
    if not turn.holds("BudgetReserved"):
        return True
    answer = turn.seen.findings.closed
    if answer is None:
        turn.do(Ask(Question.CLOSE))
        return False
    if isinstance(answer, Refused):
        ask_later(turn, Question.CLOSE, answer)
        return False
    turn.condition("BudgetReserved", False, reasons.CLOSED, f"given back: {words}")
    return True


def _stop_clock(turn: Turn) -> None:
    """The clock of activeDeadlineSeconds does not run while nothing does."""
    if turn.status.started is not None:
        ran = (turn.status.ran_seconds or 0) + max(0, int(turn.now - seconds(turn.status.started)))
        turn.update(started=None, ran_seconds=ran)
