"""How a pod's work ended, from what the kubelet reports; never from what a pod says of another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence.observe.tally import LASTING, SILO, known
from ringfence_operator import reasons
from ringfence_operator.seen import Container, Pod, Task

_REFUSED = 2


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. `refused` is an input at fault: another attempt would end alike. `totals` are what its
    driver counted, figures for people and never a reason for anything."""

    done: bool
    reason: str = ""
    message: str = ""
    refused: bool = False
    totals: Mapping[str, str] = field(default_factory=dict)


def ended(pod: Pod) -> Ended | None:
    """The end of a silo's attempt, or None while there is none that counts.

    A driver's report counts only if it carries this pod's uid, the head beside it has not ended, and the pod is not
    being deleted; KubeRay makes a dead head again by itself. A head that ended on its own is a failure, one that was
    preempted or evicted is not.
    """
    if pod.deleting or pod.disrupted:
        return None
    if pod.ray is not None and pod.ray.code is not None:
        return Ended(False, reasons.WORKLOAD_FAILED, f"pod {pod.name}: the Ray head {_how(pod.ray)}")
    if pod.main.code is None:
        return None
    report = _report(pod)
    if pod.main.code == 0 and report is not None:
        return Ended(True, totals=known(report.get("totals"), SILO & LASTING))
    if report is None:
        return Ended(False, reasons.WORKLOAD_FAILED, f"pod {pod.name}: the driver {_how(pod.main)}")
    reason, words = _words(report)
    return Ended(
        False, reason, words, refused=pod.main.code == _REFUSED, totals=known(report.get("totals"), SILO & LASTING)
    )


def task_ended(task: Task, pods: tuple[Pod, ...]) -> tuple[str, str]:
    """Reason and words of a coordinator that failed: its last pod's report, else the Job's own words."""
    for pod in reversed(pods):
        report = _report(pod)
        if report is not None and report.get("error"):
            return _words(report)
    for pod in pods:
        if pod.main.code:
            return reasons.WORKLOAD_FAILED, f"pod {pod.name}: the coordinator {_how(pod.main)}"
    return reasons.WORKLOAD_FAILED, f"coordinator: {task.failed}"


def _report(pod: Pod) -> dict[str, object] | None:
    """The termination message, if it is one and from this very pod."""
    try:
        report = json.loads(pod.main.message)
    except ValueError:
        return None
    return report if isinstance(report, dict) and report.get("podUid") == pod.uid else None


def _words(report: dict[str, object]) -> tuple[str, str]:
    parts = {name: str(report.get(name) or "")[:400] for name in ("error", "message", "where", "remedy")}
    line = f"{parts['where']}: {parts['message']}" if parts["where"] else parts["message"]
    line = f"{line}; {parts['remedy']}" if parts["remedy"] else line
    return reasons.known(parts["error"]), " ".join(line.split()) or "no words were left"


def _how(container: Container) -> str:
    why = f" ({container.reason})" if container.reason and container.reason != "Error" else ""
    return f"ended with exit code {container.code}{why}"
