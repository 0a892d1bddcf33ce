"""Making one attempt: its anchor, then what the anchor owns.

The name of an object that is there already is ours only with the job's label and, below the anchor, the anchor's uid;
another's is never touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import ClusterError
from ringfence_operator import reasons
from ringfence_operator.actions import Begin, Document
from ringfence_operator.controller.kinds import CLUSTERS, CONFIGS, OF_KIND, TASKS
from ringfence_operator.ledgers.credentials import Kept
from ringfence_operator.manifests import Attempt, anchor, parts
from ringfence_operator.names import JOB_UID
from ringfence_operator.seen import Accepted, Seen

if TYPE_CHECKING:
    from ringfence_operator.controller.carrying import Hands

_CACHED = {"ConfigMap": CONFIGS, "RayCluster": CLUSTERS, "Job": TASKS}
_UNREADABLE = "Secret"


async def begin(hands: Hands, seen: Seen, action: Begin) -> None:
    """Raises ClusterError with its `word` set: NameCollision, RayCRDNotInstalled."""
    attempt = _attempt(hands, seen, action)
    confidential = await hands.port.confidential(_kept(attempt, action))
    root = await _create(hands, anchor(attempt), "")
    for document in parts(attempt, root["metadata"]["uid"], confidential):
        await _create(hands, document, root["metadata"]["uid"])


def _attempt(hands: Hands, seen: Seen, action: Begin) -> Attempt:
    accepted, resource = seen.findings.acceptance, seen.job.resource
    if not isinstance(accepted, Accepted) or resource is None:
        raise ClusterError("an attempt needs an accepted job")
    budgets = {silo: budget for silo, budget in seen.budgets.items() if budget is not None}
    return Attempt(seen.job, resource, action.silo, action.attempt, budgets, accepted, hands.settings)


def _kept(attempt: Attempt, action: Begin) -> Kept:
    spec = attempt.resource.spec
    holdout = spec.evaluation.dataset if spec.evaluation else None
    return Kept(attempt.job.uid, action.silo, action.attempt, spec.output, attempt.accepted, holdout)


async def _create(hands: Hands, document: Document, owner: str) -> Document:
    kind, where = document["kind"], f"{document['metadata']['namespace']}/{document['metadata']['name']}"
    try:
        found = await hands.api_write(hands.api.create(document))
    except ClusterError as error:
        if error.status == 409:
            found = await _adopt(hands, document, owner)
        elif error.status == 404 and kind == "RayCluster":
            raise _because(reasons.BACKEND_MISSING, "KubeRay's RayCluster is not installed", where) from error
        else:
            error.where = f"{kind} {where}"
            raise
    if kind in _CACHED:
        hands.cache.put(_CACHED[kind], found)
    return found


async def _adopt(hands: Hands, document: Document, owner: str) -> Document:
    """The object of that name, if an earlier try of ours made it. Secrets are not read."""
    kind, metadata = document["kind"], document["metadata"]
    if kind == _UNREADABLE:
        return document
    found = await hands.api.get(OF_KIND[kind], metadata["namespace"], metadata["name"])
    owners = [str(one.get("uid")) for one in found["metadata"].get("ownerReferences") or ()]
    labels = found["metadata"].get("labels") or {}
    where = f"{metadata['namespace']}/{metadata['name']}"
    if labels.get(JOB_UID) != metadata["labels"][JOB_UID] or (owner and owner not in owners):
        raise _because(reasons.NAME_COLLISION, f"this {kind} is not the operator's, and is left alone", where)
    if found["metadata"].get("deletionTimestamp"):
        raise ClusterError(f"this {kind} is being deleted", where=where)
    return found


def _because(reason: str, message: str, where: str) -> ClusterError:
    error = ClusterError(message, where=where)
    error.word = reason
    return error
