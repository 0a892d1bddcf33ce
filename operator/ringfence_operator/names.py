"""What things are called in the cluster: labels, and hashed names that are never used twice."""

from __future__ import annotations

import hashlib
import re

GROUP = "ringfence.dev"
JOB_UID = f"{GROUP}/job-uid"
JOB = f"{GROUP}/job"
JOB_NAMESPACE = f"{GROUP}/job-namespace"
SILO = f"{GROUP}/silo"
ATTEMPT = f"{GROUP}/attempt"
ANCHOR = f"{GROUP}/anchor"
MANAGED = "app.kubernetes.io/managed-by"
FINALIZER = f"{GROUP}/reservations"
COORDINATOR = "coordinator"

_LONGEST_SILO = 18


def child(uid: str, party: str, attempt: int, *, coordinator: bool = False) -> str:
    """Name of an attempt's anchor, RayCluster and the rest: at most 44 characters, a DNS-1035 label.

    The hash is over (job uid, party, attempt), so no two attempts share a name; the party's name in it is for people.
    KubeRay names a cluster's Secret after the last 50 characters of the cluster's name.
    """
    role = COORDINATOR if coordinator else "silo"
    digest = hashlib.sha256(f"{len(uid)}:{uid}:{role}:{len(party)}:{party}:{attempt}".encode()).hexdigest()[:20]
    readable = re.sub(r"[^a-z0-9-]", "-", party)[:_LONGEST_SILO].strip("-")
    return f"rf-{readable}-{digest}" if readable else f"rf-{digest}"


def labels(uid: str, job: str, silo: str, attempt: int) -> dict[str, str]:
    """The labels of every object of an attempt; `silo` is "" for the coordinator."""
    return {
        MANAGED: "ringfence",
        JOB_UID: uid,
        JOB: job,
        SILO: silo or COORDINATOR,
        ATTEMPT: str(attempt),
        ANCHOR: "silo" if silo else COORDINATOR,
    }
