"""Taking children away: anchors and, with them, what they own; what lost its anchor, by itself."""

from __future__ import annotations

from ringfence_operator.actions import Delete
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Children


def remove(turn: Turn, children: Children) -> None:
    """Deletes the anchors, and clusters and tasks whose anchor is gone already; pods go with their owners."""
    for anchor in children.anchors:
        if not anchor.deleting:
            turn.do(Delete("ConfigMap", anchor.namespace, anchor.name, anchor.uid))
    kept = {anchor.uid for anchor in turn.seen.children.anchors}
    for cluster in children.clusters:
        if not cluster.deleting and cluster.anchor not in kept:
            turn.do(Delete("RayCluster", cluster.namespace, cluster.name, cluster.uid))
    for task in children.tasks:
        if not task.deleting and task.anchor not in kept:
            turn.do(Delete("Job", task.namespace, task.name, task.uid))
