"""Events on a job: `kubectl describe` tells its story with them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from ringfence_operator.actions import Document, Tell
from ringfence_operator.seen import Job

_LONGEST = 1000


def event(job: Job, told: Tell, identity: str) -> Document:
    """A core Event under a name of its own."""
    now = datetime.now(UTC)
    digest = hashlib.sha256(f"{job.uid}/{told.reason}/{told.message}/{now.timestamp()}".encode()).hexdigest()[:16]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name[:40]}.{digest}", "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "FederatedJob",
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
        },
        "type": "Warning" if told.warning else "Normal",
        "reason": told.reason,
        "message": told.message[:_LONGEST],
        "source": {"component": "ringfence-operator", "host": identity},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "reportingComponent": "ringfence.dev/operator",
        "reportingInstance": identity or "operator",
    }
