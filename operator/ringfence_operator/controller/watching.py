"""kopf's part: its watches fill our cache and queue, and nothing else happens in a handler.

Settings are for watching only: no peering, no finalizers, no annotations, no handlers' progress. Selectors are sent to
the API server, so that a cluster's other pods and ConfigMaps never reach us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.kinds import BUDGETS, WATCHED, Kind
from ringfence_operator.controller.working import BUDGET, JOB

Enqueue = Callable[[tuple[str, str, str]], None]


def take_in(cache: Cache, enqueue: Enqueue, kind: Kind, event: str | None, document: Mapping[str, Any]) -> None:
    """One event: the cache first, then the keys of what it may concern."""
    metadata = document["metadata"]
    touched = cache.drop(kind, document) if event == "DELETED" else cache.put(kind, document)
    if kind == BUDGETS:
        enqueue((BUDGET, metadata["namespace"], metadata["name"]))
    for uid in touched:
        enqueue((JOB, namespace_of(cache, uid), uid))


def namespace_of(cache: Cache, uid: str) -> str:
    """The namespace that a job's turns are counted to."""
    document = cache.document(uid)
    return document["metadata"]["namespace"] if document else ""


def registry(cache: Cache, enqueue: Enqueue) -> kopf.OperatorRegistry:
    """One handler a kind, and a login as the client's own: the service account in a pod, else the kubeconfig."""
    found = kopf.OperatorRegistry()
    for kind in WATCHED:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=found, id=kind.plural)(
            _handler(kind, cache, enqueue)
        )
    kopf.on.login(registry=found)(_login)
    return found


def _handler(kind: Kind, cache: Cache, enqueue: Enqueue) -> Any:
    async def handle(type: str | None, body: Any, **_: Any) -> None:
        take_in(cache, enqueue, kind, type, body)

    return handle


def _login(**given: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**given) or kopf.login_with_kubeconfig(**given)


def options(watched: tuple[str, ...]) -> kopf.OperatorSettings:
    """kopf's settings, for watching only."""
    found = kopf.OperatorSettings()
    found.peering.standalone = True
    found.posting.enabled = False
    found.scanning.disabled = bool(watched)
    found.watching.server_timeout = 300
    found.watching.client_timeout = 330
    found.watching.connect_timeout = 30
    found.watching.chunk_size = 500
    found.networking.request_timeout = 30
    for kind in WATCHED:
        if kind.selector:
            found.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return found


async def watch(watched: tuple[str, ...], cache: Cache, enqueue: Enqueue, stop: asyncio.Event) -> None:
    """Watches these namespaces (all, if none) until `stop`; every replica does, leading or not."""
    await kopf.operator(
        registry=registry(cache, enqueue),
        settings=options(watched),
        clusterwide=not watched,
        namespaces=watched,
        stop_flag=stop,
    )
