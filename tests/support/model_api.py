"""A tiny API server in memory behind the operator's own interface to it: versions, conflicts, owners, finalizers.

It may lose a request before it lands, lose the answer of one that landed, or be the last thing that a process sees.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ringfence.errors import ClusterError
from ringfence_operator.controller.kinds import BUDGETS, CLUSTERS, CONFIGS, JOBS, OF_KIND, PODS, TASKS, WATCHED, Kind
from ringfence_operator.names import ANCHOR

Document = dict[str, Any]
_CACHED = {
    "ConfigMap": CONFIGS,
    "RayCluster": CLUSTERS,
    "Job": TASKS,
    "Pod": PODS,
    "FederatedJob": JOBS,
    "PrivacyBudget": BUDGETS,
}


class Crash(BaseException):
    """The process ends here."""


def refused(status: int, message: str) -> ClusterError:
    error = ClusterError(message)
    error.status = status
    return error


class ModelServer:
    """All objects, and every change of them as an event for each watcher."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Document] = {}
        self.created: list[tuple[str, str, str]] = []
        self.watchers: list[list[tuple[Kind, str, Document]]] = []
        self._version = 0
        self._uids = 0

    def _key(self, document: Document) -> tuple[str, str, str]:
        return document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]

    def _changed(self, event: str, document: Document) -> None:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        kind = _CACHED.get(document["kind"])
        watched = kind in WATCHED and (kind is not CONFIGS or ANCHOR in document["metadata"].get("labels", {}))
        if kind is not None and watched:
            for queue in self.watchers:
                queue.append((kind, event, copy.deepcopy(document)))

    def create(self, document: Document) -> Document:
        key = self._key(document)
        if key in self.objects:
            raise refused(409, "exists")
        made = copy.deepcopy(document)
        self._uids += 1
        made["metadata"] |= {"uid": f"uid-{self._uids}", "generation": 1, "creationTimestamp": "2027-01-01T00:00:00Z"}
        self.objects[key] = made
        self.created.append(key)
        self._changed("ADDED", made)
        return copy.deepcopy(made)

    def get(self, kind: str, namespace: str, name: str) -> Document:
        found = self.objects.get((kind, namespace, name))
        if found is None:
            raise refused(404, "not found")
        return found

    def update(
        self, kind: str, namespace: str, name: str, version: str | None, change: Callable[[Document], None]
    ) -> Document:
        found = self.get(kind, namespace, name)
        if version is not None and found["metadata"]["resourceVersion"] != version:
            raise refused(409, "conflict")
        before = copy.deepcopy(found)
        change(found)
        if found != before:
            self._changed("MODIFIED", found)
        self._let_go(found)
        return copy.deepcopy(found)

    def delete(self, kind: str, namespace: str, name: str, uid: str = "", at: str = "2027-01-01T00:00:00Z") -> None:
        found = self.objects.get((kind, namespace, name))
        if found is None or (uid and found["metadata"]["uid"] != uid):
            return
        if not found["metadata"].get("deletionTimestamp"):
            found["metadata"]["deletionTimestamp"] = at
            self._changed("MODIFIED", found)
        self._let_go(found)

    def _let_go(self, found: Document) -> None:
        metadata = found["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self.objects.pop(self._key(found), None)
            self._changed("DELETED", found)

    def collect(self) -> None:
        """What the garbage collector does: objects all of whose owners are gone go too."""
        while True:
            alive = {one["metadata"]["uid"] for one in self.objects.values()}
            gone = [
                key
                for key, one in self.objects.items()
                if (owners := one["metadata"].get("ownerReferences")) and not any(ref["uid"] in alive for ref in owners)
            ]
            if not gone:
                return
            for key in gone:
                self.delete(*key)

    def of(self, kind: str) -> list[Document]:
        return [one for key, one in sorted(self.objects.items()) if key[0] == kind]


class ModelApi:
    """One operator's connection. `faults` says what becomes of its next writes: ok, lost, unanswered, crash."""

    def __init__(self, server: ModelServer, allowed: Callable[[str], bool]) -> None:
        self.server = server
        self.faults: list[str] = []
        self._allowed = allowed

    def _do(self, work: Callable[[], Any]) -> Any:
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault == "lost":
            raise refused(0, "no answer")
        if fault == "crash-before":
            raise Crash
        found = work()
        if fault == "unanswered":
            raise refused(0, "no answer")
        if fault == "crash-after":
            raise Crash
        return found

    async def create(self, document: Document) -> Document:
        if document["kind"] == "LocalSubjectAccessReview":
            return {"status": {"allowed": self._allowed(document["metadata"]["namespace"])}}
        if document["kind"] == "Event":
            return document
        found: Document = self._do(lambda: self.server.create(document))
        return found

    async def get(self, kind: Kind, namespace: str, name: str) -> Document:
        return copy.deepcopy(self.server.get(_name(kind), namespace, name))

    async def replace_status(self, kind: Kind, document: Document) -> Document:
        metadata = document["metadata"]

        def change(found: Document) -> None:
            found["status"] = copy.deepcopy(document["status"])

        place = (_name(kind), metadata["namespace"], metadata["name"])
        found: Document = self._do(lambda: self.server.update(*place, metadata["resourceVersion"], change))
        return found

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Document) -> Document:
        version = (patch.get("metadata") or {}).get("resourceVersion")

        def change(found: Document) -> None:
            if "finalizers" in patch.get("metadata", {}):
                found["metadata"]["finalizers"] = list(patch["metadata"]["finalizers"])
            if "data" in patch:
                found["data"] = {**found.get("data", {}), **patch["data"]}

        found: Document = self._do(lambda: self.server.update(_name(kind), namespace, name, version, change))
        return found

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        self._do(lambda: self.server.delete(_name(kind), namespace, name, uid))


def _name(kind: Kind) -> str:
    return next(name for name, one in OF_KIND.items() if (one.group, one.plural) == (kind.group, kind.plural))
