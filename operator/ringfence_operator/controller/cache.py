"""Our own copy of what is watched, by job: filled by events and by our own writes, replaced by a LIST.

An older version never replaces a newer one: resourceVersions of one object are compared as the numbers they are. A LIST
takes away what is not in it, unless a newer event brought it meanwhile.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence.spec.budget import PrivacyBudget
from ringfence_operator import reasons
from ringfence_operator.controller import views
from ringfence_operator.controller.kinds import BUDGETS, CLUSTERS, CONFIGS, JOBS, PODS, TASKS, Kind
from ringfence_operator.names import JOB_UID
from ringfence_operator.seen import Anchor, Children, Cluster, Job, Pod, Task

Document = Mapping[str, Any]
Place = tuple[str, str]
_CHILDREN = {CONFIGS: views.anchor, CLUSTERS: views.cluster, PODS: views.pod, TASKS: views.task}


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """A job that waits for room: `since` is its arrival, `after` when it may be tried again."""

    since: str
    uid: str
    namespace: str
    name: str
    after: str


@dataclass(slots=True)
class _Kept:
    version: int
    owner: str
    value: Any


def version(document: Document) -> int:
    """The resourceVersion as a number; 0 when it is none."""
    text = str(document["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


class Cache:
    """Objects by kind, namespace and name; children by job uid. For one event loop, so it needs no lock."""

    def __init__(self) -> None:
        self._kept: dict[Kind, dict[Place, _Kept]] = defaultdict(dict)
        self._of_job: dict[str, set[tuple[Kind, Place]]] = defaultdict(set)
        self._jobs: dict[str, Place] = {}
        self._users: dict[Place, set[str]] = defaultdict(set)
        self._waiting: dict[Place, dict[str, Waiting]] = defaultdict(dict)
        self.synced = False

    def put(self, kind: Kind, document: Document) -> set[str]:
        """Takes in an object as it is now; the uids of the jobs that this may concern."""
        metadata = document["metadata"]
        place = (metadata["namespace"], metadata["name"])
        known = self._kept[kind].get(place)
        if known is not None and known.version >= version(document):
            return set()
        touched = self._forget(kind, place) if known is not None else set()
        kept = _Kept(version(document), *_projected(kind, document))
        self._kept[kind][place] = kept
        return touched | self._index(kind, place, kept)

    def drop(self, kind: Kind, document: Document) -> set[str]:
        """An object is gone; the jobs that this may concern. An event about an older one is passed over."""
        metadata = document["metadata"]
        place = (metadata["namespace"], metadata["name"])
        known = self._kept[kind].get(place)
        if known is None or known.version > version(document):
            return set()
        return self._forget(kind, place)

    def sweep(self, kind: Kind, there: set[Place], version: int, namespace: str = "") -> set[str]:
        """After a LIST of one namespace or of all, read at `version`, found `there`: what we have besides, and is not
        newer, is gone."""
        touched = set()
        for place, kept in list(self._kept[kind].items()):
            if place not in there and kept.version <= version and namespace in ("", place[0]):
                touched |= self._forget(kind, place)
        return touched

    def job(self, uid: str) -> Job | None:
        """A job by uid."""
        document = self.document(uid)
        return views.job(document) if document is not None else None

    def document(self, uid: str) -> dict[str, Any] | None:
        """A job's document, without what is of no use here."""
        place = self._jobs.get(uid)
        kept = self._kept[JOBS].get(place) if place is not None else None
        return json.loads(kept.value) if kept is not None else None

    def uids(self) -> list[str]:
        """All jobs."""
        return list(self._jobs)

    def orphans(self) -> list[Anchor]:
        """Anchors of jobs that are not there any more."""
        return [
            kept.value
            for kept in self._kept[CONFIGS].values()
            if kept.owner and kept.owner not in self._jobs and kept.value is not None
        ]

    def owner_of(self, place: Place) -> str:
        """The job uid that an anchor names."""
        kept = self._kept[CONFIGS].get(place)
        return kept.owner if kept is not None else ""

    def budget(self, place: Place) -> PrivacyBudget | None:
        """A budget by namespace and name."""
        kept = self._kept[BUDGETS].get(place)
        return views.budget(json.loads(kept.value)) if kept is not None else None

    def budget_document(self, place: Place) -> dict[str, Any] | None:
        """A budget's document."""
        kept = self._kept[BUDGETS].get(place)
        return json.loads(kept.value) if kept is not None else None

    def budgets(self) -> list[Place]:
        """All budgets."""
        return list(self._kept[BUDGETS])

    def waiting(self, place: Place) -> list[Waiting]:
        """Jobs that wait for room in a budget, in the order of their arrival."""
        return sorted(self._waiting.get(place, {}).values())

    def waiting_with(self, uid: str) -> list[Waiting]:
        """All jobs that wait for room in one of this job's budgets, in the order of their arrival."""
        document = self.document(uid)
        found = {one for place in _budgets_of(document or {}) for one in self._waiting.get(place, {}).values()}
        return sorted(found)

    def users(self, place: Place) -> set[str]:
        """Jobs that name a budget."""
        return set(self._users.get(place, ()))

    def children(self, uid: str) -> Children:
        """Everything that carries the job's uid."""
        found: dict[Kind, list[Any]] = defaultdict(list)
        for kind, place in sorted(self._of_job.get(uid, ()), key=lambda one: one[1]):
            value = self._kept[kind][place].value
            if value is not None:
                found[kind].append(value)
        anchors: list[Anchor] = found[CONFIGS]
        clusters: list[Cluster] = found[CLUSTERS]
        pods: list[Pod] = found[PODS]
        tasks: list[Task] = found[TASKS]
        return Children(tuple(anchors), tuple(clusters), tuple(pods), tuple(tasks))

    def _index(self, kind: Kind, place: Place, kept: _Kept) -> set[str]:
        if kind == JOBS:
            self._jobs[kept.owner] = place
            document = json.loads(kept.value)
            waiting = _waits(document)
            for ref in _budgets_of(document):
                self._users[ref].add(kept.owner)
                if waiting is not None:
                    self._waiting[ref][kept.owner] = waiting
            return {kept.owner}
        if kind == BUDGETS:
            return self.users(place)
        self._of_job[kept.owner].add((kind, place))
        return {kept.owner}

    def _forget(self, kind: Kind, place: Place) -> set[str]:
        kept = self._kept[kind].pop(place)
        if kind == JOBS:
            self._jobs.pop(kept.owner, None)
            for ref in _budgets_of(json.loads(kept.value)):
                self._users[ref].discard(kept.owner)
                self._waiting[ref].pop(kept.owner, None)
            return {kept.owner}
        if kind == BUDGETS:
            return self.users(place)
        self._of_job[kept.owner].discard((kind, place))
        if not self._of_job[kept.owner]:
            del self._of_job[kept.owner]
        return {kept.owner}


def _waits(document: Document) -> Waiting | None:
    """Whether a job was told to wait for room in its budgets."""
    status, metadata = document.get("status") or {}, document["metadata"]
    reserved: Document = next(
        (one for one in status.get("conditions") or () if one.get("type") == "BudgetReserved"), {}
    )
    ended = status.get("completed") or metadata.get("deletionTimestamp") or document["spec"].get("suspend")
    if reserved.get("reason") != reasons.WAITING_FOR_BUDGET or ended:
        return None
    return Waiting(
        metadata.get("creationTimestamp", ""),
        metadata["uid"],
        metadata["namespace"],
        metadata["name"],
        status.get("retryAfter") or "",
    )


def _budgets_of(document: Document) -> list[Place]:
    silos = (document.get("spec") or {}).get("silos") or ()
    refs = [silo["budgetRef"] for silo in silos if silo.get("budgetRef")]
    return [(ref["namespace"], ref["name"]) for ref in refs]


def _projected(kind: Kind, document: Document) -> tuple[str, Any]:
    """The job that an object belongs to, and what is kept of it: values of children, bytes of our own resources."""
    metadata = document["metadata"]
    if kind in (JOBS, BUDGETS):
        slim = {name: value for name, value in metadata.items() if name not in ("managedFields", "annotations")}
        kept = {**{name: document[name] for name in ("apiVersion", "kind", "spec", "status") if name in document}}
        return metadata["uid"], json.dumps({**kept, "metadata": slim}, separators=(",", ":")).encode()
    return (metadata.get("labels") or {}).get(JOB_UID, ""), _CHILDREN[kind](document)
