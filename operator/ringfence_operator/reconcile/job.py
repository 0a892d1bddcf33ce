"""A job from its arrival to its end, top to bottom: gone, ended, refused, suspended, reserved, running."""

from __future__ import annotations

from dataclasses import replace

from ringfence_operator.actions import Action
from ringfence_operator.names import child
from ringfence_operator.reconcile import admitting, ending, pausing, reserving, running
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Children, Seen
from ringfence_operator.settings import Settings


def reconcile(seen: Seen, settings: Settings) -> list[Action]:
    """What to do now. Nothing is remembered between two calls but what the API server and the ledgers hold."""
    turn = Turn(replace(seen, children=_ours(seen)), settings)
    if seen.job.deleted_at:
        ending.leave(turn)
    elif turn.holds("Complete") or turn.holds("Failed"):
        ending.tidy(turn)
    elif admitting.admitted(turn) and pausing.awake(turn) and reserving.reserved(turn):
        running.run(turn)
    return turn.finish()


def _ours(seen: Seen) -> Children:
    """Children under the names that only we give; labels alone can be written by anybody."""

    def name(silo: str, attempt: int) -> str:
        return child(seen.job.uid, silo, attempt, coordinator=not silo)

    found = seen.children
    return Children(
        anchors=tuple(one for one in found.anchors if one.name == name(one.silo, one.attempt)),
        clusters=tuple(one for one in found.clusters if one.name == name(one.silo, one.attempt)),
        pods=tuple(one for one in found.pods if one.name.startswith(f"{name(one.silo, one.attempt)}-")),
        tasks=tuple(one for one in found.tasks if one.name == name("", one.attempt)),
    )
