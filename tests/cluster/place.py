"""Two hospitals of a test's own on a real API server, with the operator in this process and pods played by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.control_plane import ControlPlane
from support.hospitals import House as Hospitals
from support.operated import Operator, condition, owners, wait
from support.played import children, containers, pod, say, state, train

from ringfence.spec.load import parse_document

NAMESPACE = "op-system"
KINDS = "configmaps,serviceaccounts,secrets,networkpolicies,rayclusters,jobs.batch,pods,roles,rolebindings"
WAIT = 120.0
"""Seconds: generous, since a loaded machine is no fault of the operator's."""


class Place:
    """Two hospitals of a test's own, and an operator."""

    def __init__(self, plane: ControlPlane, root: Path, name: str, **changes: Any) -> None:
        self.plane = plane
        self.hospitals = Hospitals(root, records=200, silos=(f"{name}-a", f"{name}-b"), **changes).build()
        self.operator = Operator(plane, NAMESPACE, root).start()
        owners(plane, self.hospitals, NAMESPACE, self.operator.house.public)

    def apply(self, name: str, **changes: Any) -> dict[str, Any]:
        document = self.hospitals.job_document(**changes)
        document["metadata"]["name"] = name
        self.plane.apply([document])
        return self.job(name)

    def job(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.plane.get("fj", "research", name)
        return found

    def until(
        self, name: str, kind: str, status: str = "True", reason: str = "", seconds: float = WAIT
    ) -> dict[str, Any]:
        """The job once a condition is so."""

        def found() -> dict[str, Any] | None:
            job = self.job(name)
            held = condition(job, kind)
            fits = held.get("status") == status and reason in ("", held.get("reason"))
            assert fits, f"{kind} is {held}; all: {job.get('status', {}).get('conditions')}"
            return job

        result: dict[str, Any] = wait(f"{name} {kind} {status} {reason}", found, seconds)
        return result

    def pods(self, uid: str) -> dict[str, dict[str, Any]]:
        """The silos' pods, then the coordinator's, which comes once theirs run; by silo ("coordinator")."""
        return {**self.silo_pods(uid), **self._pods(uid, "jobs.batch", 1)}

    def silo_pods(self, uid: str) -> dict[str, dict[str, Any]]:
        """A pod for each of the two RayClusters."""
        return self._pods(uid, "rayclusters", 2)

    def _pods(self, uid: str, kind: str, count: int) -> dict[str, dict[str, Any]]:
        def owners() -> list[dict[str, Any]] | None:
            found = children(self.plane, kind, uid)
            return found if len(found) == count else None

        made = {}
        for owner in wait(f"{count} {kind}", owners, WAIT):
            one = pod(self.plane, owner)
            say(self.plane, one, containers(one))
            made[one["metadata"]["labels"]["ringfence.dev/silo"]] = one
        return made

    def finish(self, name: str, uid: str, lie: int = 1) -> None:
        """The coordinator's part after the last round."""
        job = self.job(name)
        train(self.hospitals, self.operator.house, job, job["spec"]["rounds"])
        document = {**job, "metadata": {"name": name, "namespace": "research"}}
        document.pop("status")
        state(self.hospitals, self.operator.house, parse_document(document, ""), uid, lie)
        (task,) = children(self.plane, "jobs.batch", uid)
        now = "2026-01-01T00:00:00Z"
        done = [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("SuccessCriteriaMet", "Complete")
        ]
        counted = {"startTime": now, "completionTime": now, "succeeded": 1, "uncountedTerminatedPods": {}}
        say(self.plane, task, {"conditions": done, **counted})

    def nothing_left(self, uid: str) -> bool:
        left = [one["metadata"]["name"] for one in children(self.plane, KINDS, uid)]
        assert not left, left
        for silo in self.hospitals.silos:
            held = [one.reserve.job for one in self.hospitals.view(silo).open_reservations()]
            assert uid not in held, f"{silo} still holds a reservation"
        return True
