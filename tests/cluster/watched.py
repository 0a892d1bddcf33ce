"""A job in the cluster, seen as a person sees it: through kubectl."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.reached import Cluster

from ringfence.demo import jobs

KINDS = "rayclusters,pods,jobs,configmaps,secrets,serviceaccounts,networkpolicies,roles,rolebindings"


@dataclass(frozen=True)
class Watched:
    """The FederatedJob `name` of the demo's team."""

    cluster: Cluster
    name: str

    @staticmethod
    def apply(cluster: Cluster, manifest: Path, name: str) -> Watched:
        cluster.kubectl("apply", "-f", str(manifest))
        return Watched(cluster, name)

    def document(self) -> dict[str, Any]:
        return self.cluster.get("-n", jobs.TEAM, "federatedjob", self.name)

    @property
    def uid(self) -> str:
        return self.document()["metadata"]["uid"]

    @property
    def status(self) -> dict[str, Any]:
        return self.document().get("status", {})

    @property
    def round(self) -> int:
        return self.status.get("round") or 0

    def condition(self, kind: str) -> dict[str, Any]:
        """One condition, or an empty document."""
        return next((one for one in self.status.get("conditions", []) if one["type"] == kind), {})

    def ended(self) -> bool:
        return any(self.condition(kind).get("status") == "True" for kind in ("Complete", "Failed"))

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        """This job's pods in a namespace."""
        return self.cluster.items("-n", namespace, "pods", "-l", f"ringfence.dev/job-uid={self.uid}")

    def left(self) -> list[str]:
        """Whatever carries the job's uid, in any namespace."""
        found = self.cluster.items("-A", KINDS, "-l", f"ringfence.dev/job-uid={self.uid}")
        return [f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}" for one in found]

    def wait(self, what: str, holds: Callable[[], Any], seconds: float) -> Any:
        """What `holds` returns once it is true; fails with the job's own story after `seconds`."""
        end = time.monotonic() + seconds
        while True:
            try:
                if found := holds():
                    return found
            except AssertionError:  # the API server may be away
                if time.monotonic() > end:
                    raise
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds:.0f} s; {json.dumps(self.story(), indent=1)}")
            time.sleep(1)

    def story(self) -> dict[str, Any]:
        """What a person would look at first."""
        status = self.status
        conditions = [
            f"{one['type']}={one['status']} {one['reason']}: {one['message']}" for one in status.get("conditions", [])
        ]
        return {
            "phase": status.get("phase"),
            "round": status.get("round"),
            "conditions": conditions,
            "left": self.left(),
        }
