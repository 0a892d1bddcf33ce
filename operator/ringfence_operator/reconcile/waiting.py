"""Why pods do not run, in their own words: within a turn of the kubelet's or the scheduler's report."""

from __future__ import annotations

from ringfence_operator import reasons
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Container, Pod

_PULLING = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CRASHING = ("CrashLoopBackOff",)


def explain(turn: Turn) -> tuple[str, str] | None:
    """Reason and words of the first thing that keeps a party from running; None when all run or are on their way."""
    for party in (*sorted(one.name for one in turn.status.silos), ""):
        attempt = turn.silo_of(party).attempt if party else turn.status.run or 0
        if party and turn.silo_of(party).state not in ("Starting", "Training"):
            continue
        found = turn.seen.children.of(party, attempt)
        name = f"silo {party}" if party else "coordinator"
        for pod in found.pods:
            words = _pod(pod)
            if words is not None:
                return words[0], f"{name}: pod {pod.name}: {words[1]}"
        for cluster in found.clusters:
            if cluster.queued:
                return reasons.QUEUED, f"{name}: RayCluster {cluster.name} waits in its owner's queue"
            if cluster.trouble and not found.pods:
                return reasons.PODS_REFUSED, f"{name}: RayCluster {cluster.name}: {cluster.trouble}"
    return None


def _pod(pod: Pod) -> tuple[str, str] | None:
    if pod.deleting:
        return None
    if pod.unschedulable:
        return reasons.UNSCHEDULABLE, pod.unschedulable
    ray = (pod.ray,) if pod.ray is not None else ()
    for container in (pod.main, *ray, *pod.others):
        words = _container(container)
        if words is not None:
            return words
    return None


def _container(container: Container) -> tuple[str, str] | None:
    if container.running or container.code is not None:
        return None
    line = f"{container.reason}: {container.message}" if container.message else container.reason
    if container.reason in _PULLING:
        return reasons.IMAGE, line
    if container.reason in _CONTAINER:
        return reasons.CONTAINER, line
    if container.reason in _CRASHING:
        return reasons.CRASH_LOOP, line
    return None
