"""From the API server's documents to what `reconcile` sees: small values, so that thousands of jobs fit into memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ringfence.errors import InvalidManifest
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.load import parse_document
from ringfence.spec.status import FederatedJobStatus
from ringfence_operator.names import ANCHOR, ATTEMPT, COORDINATOR, JOB_UID, SILO
from ringfence_operator.seen import Anchor, Cluster, Container, Job, Pod, Task

Document = Mapping[str, Any]
_DISRUPTED = ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "TerminationByKubelet")


def job(document: Document) -> Job:
    """A FederatedJob. A spec that its model refuses (the schema lets more through) is told as a fault."""
    metadata, fault, resource = document["metadata"], "", None
    try:
        found = parse_document(_manifest(document), "")
        resource = found if isinstance(found, FederatedJob) else None
    except InvalidManifest as error:
        fault = str(error)
    return Job(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        generation=int(metadata.get("generation", 0)),
        created=metadata.get("creationTimestamp", ""),
        deleted_at=metadata.get("deletionTimestamp", ""),
        finalizers=tuple(metadata.get("finalizers", ())),
        resource=resource,
        fault=fault,
        status=_status(document.get("status") or {}),
    )


def budget(document: Document) -> PrivacyBudget | None:
    """A PrivacyBudget, None when it does not satisfy its model or is being deleted."""
    if document["metadata"].get("deletionTimestamp"):
        return None
    try:
        found = parse_document(_manifest(document), "")
    except InvalidManifest:
        return None
    return found if isinstance(found, PrivacyBudget) else None


def _manifest(document: Document) -> dict[str, Any]:
    """The document as its author wrote it, without what the API server adds."""
    metadata = {name: document["metadata"][name] for name in ("name", "namespace")}
    return {
        **{name: document[name] for name in ("apiVersion", "kind", "spec") if name in document},
        "metadata": metadata,
    }


def _status(document: Document) -> FederatedJobStatus:
    """A status by another's hand that its model refuses counts as none: what it said is found out again."""
    try:
        return FederatedJobStatus.model_validate(document, by_alias=True, by_name=False, strict=False)
    except ValidationError:
        return FederatedJobStatus()


def _party(document: Document) -> dict[str, Any] | None:
    """Where an object of an attempt belongs; None when its labels are no such labels."""
    metadata = document["metadata"]
    labels = metadata.get("labels") or {}
    number = labels.get(ATTEMPT, "")
    if not number.isdecimal() or len(number) > 9 or not labels.get(JOB_UID):
        return None
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "silo": "" if labels.get(ANCHOR) == COORDINATOR else labels.get(SILO, ""),
        "attempt": int(number),
        "deleting": bool(metadata.get("deletionTimestamp")),
    }


def anchor(document: Document) -> Anchor | None:
    """An anchor; the coordinator's with what it was told and what it reports."""
    party, data = _party(document), document.get("data") or {}
    if party is None:
        return None
    return Anchor(**party, progress=data.get("progress", ""), lost=data.get("lost", ""))


def _owner(document: Document) -> str:
    owners = document["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in owners if one.get("kind") == "ConfigMap"), "")


def cluster(document: Document) -> Cluster | None:
    """A RayCluster. Its spec is never healed: another generation than the first means that another hand changed it,
    except in a queue, which suspends and resumes it and merges selectors."""
    party = _party(document)
    if party is None:
        return None
    metadata, spec = document["metadata"], document.get("spec") or {}
    queued = "kueue.x-k8s.io/queue-name" in (metadata.get("labels") or {})
    return Cluster(
        **party,
        anchor=_owner(document),
        edited=not queued and int(metadata.get("generation", 1)) > 1,
        queued=queued and bool(spec.get("suspend")),
        trouble=_cluster_trouble(document.get("status") or {}),
    )


def _cluster_trouble(found: Document) -> str:
    for condition in found.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message", ""))[:500]
    return str(found.get("reason", ""))[:500]


def task(document: Document) -> Task | None:
    """A batch Job of ours."""
    party = _party(document)
    if party is None:
        return None
    del party["silo"]
    held = {
        one["type"]: one for one in (document.get("status") or {}).get("conditions") or () if one["status"] == "True"
    }
    failed = held.get("Failed") or {}
    return Task(
        **party,
        anchor=_owner(document),
        complete="Complete" in held,
        failed=f"{failed.get('reason', 'Failed')}: {failed.get('message', '')}"[:500] if failed else "",
    )


def pod(document: Document) -> Pod | None:
    """A pod of ours: phase, what keeps it from running, and its containers."""
    party = _party(document)
    if party is None:
        return None
    found = document.get("status") or {}
    conditions = {one.get("type"): one for one in found.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    waits = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    containers = {one["name"]: _container(one) for one in found.get("containerStatuses") or ()}
    main = containers.pop("driver", None) or containers.pop("coordinator", None) or Container()
    ray = containers.pop("ray-head", None)
    early = [_container(one) for one in found.get("initContainerStatuses") or ()]
    return Pod(
        **party,
        phase=found.get("phase", ""),
        disrupted=found.get("reason") in _DISRUPTED
        or (conditions.get("DisruptionTarget") or {}).get("status") == "True",
        unschedulable=str(scheduled.get("message", "Unschedulable"))[:500] if waits else "",
        main=main,
        ray=ray,
        others=(*containers.values(), *early),
    )


def _container(found: Document) -> Container:
    state = found.get("state") or {}
    ended, waits = state.get("terminated"), state.get("waiting") or {}
    if ended is not None:
        return Container(False, int(ended.get("exitCode", 1)), ended.get("reason", ""), ended.get("message", ""))
    return Container(
        "running" in state, None, waits.get("reason", ""), str(waits.get("message", ""))[:500], bool(found.get("ready"))
    )
