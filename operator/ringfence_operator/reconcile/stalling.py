"""A coordinator that lives and does not turn: its report stops when its rounds hang, though the process goes on."""

from __future__ import annotations

from ringfence_operator import reasons
from ringfence_operator.actions import Tell
from ringfence_operator.reconcile import attempts
from ringfence_operator.reconcile.removing import remove
from ringfence_operator.reconcile.turn import Turn


def stalled(turn: Turn) -> None:
    """Removes a coordinator that has reported nothing new for `limits.stall` seconds, so that another is begun.

    By this operator's own clock: since when it has seen the report unchanged. A coordinator that was only slow loses
    nothing but its place in the round: what is committed stays, and two of them are safe by the commit.
    """
    found = turn.seen.children.of("", turn.status.run or 0)
    if not turn.holds("Progressing") or not any(pod.main.running and not pod.deleting for pod in found.pods):
        return
    _, since = turn.seen.findings.heard
    quiet, most = turn.now - since, turn.settings.limits.stall
    if quiet < most:
        attempts.look_again(turn, most - quiet)
        return
    words = f"the coordinator has reported nothing for {int(quiet)} seconds; another goes on from the last commit"
    turn.do(Tell(True, reasons.STALLED, words))
    remove(turn, found)
