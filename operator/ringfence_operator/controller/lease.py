"""Who works: one replica, by a Lease of the operator's namespace. It gates the workers only; watching goes on in all.

Durations are those of other controllers: a lease lasts 15 s, is renewed every 2 s, and is given up by its holder after
10 s without a renewal, by its own clock, before anybody else may take it. `held()` is asked before every write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ringfence.errors import ClusterError
from ringfence_operator.actions import Document
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.kinds import OF_KIND

_LASTS = 15
_GIVE_UP = 10.0
_RETRY = 2.0
_KIND = OF_KIND["Lease"]


class Lease:
    """The lease `name`, seen by the replica `identity`."""

    def __init__(self, api: Api, namespace: str, name: str, identity: str) -> None:
        self._api = api
        self._place = (namespace, name)
        self._identity = identity
        self._renewed = 0.0
        self._seen: tuple[str, float] = ("", 0.0)

    def held(self) -> bool:
        """Whether this replica may write now."""
        return time.monotonic() - self._renewed < _GIVE_UP and self._renewed > 0

    async def keep(self, on_change: Callable[[bool], None]) -> None:
        """Tries for the lease and keeps it, for ever; tells of every change."""
        leading = False
        while True:
            began = time.monotonic()
            try:
                if await asyncio.wait_for(self._try(), _GIVE_UP):
                    self._renewed = began
            except (ClusterError, TimeoutError):
                pass
            if self.held() != leading:
                leading = not leading
                on_change(leading)
            await asyncio.sleep(_RETRY)

    async def release(self) -> None:
        """Lets another replica take it at once."""
        if not self.held():
            return
        self._renewed = 0.0
        try:
            found = await self._api.get(_KIND, *self._place)
            if found["spec"].get("holderIdentity") == self._identity:
                found["spec"]["holderIdentity"] = ""
                await self._api.request("PUT", _KIND.path(*self._place), found)
        except ClusterError:
            return  # it runs out by itself

    async def _try(self) -> bool:
        try:
            found = await self._api.get(_KIND, *self._place)
        except ClusterError as error:
            if error.status != 404:
                raise
            await self._api.create(self._document())
            return True
        holder = str(found["spec"].get("holderIdentity") or "")
        if holder not in ("", self._identity) and not self._expired(found):
            return False
        taken = self._document()
        taken["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        moved = int(found["spec"].get("leaseTransitions") or 0) + (holder != self._identity)
        taken["spec"]["leaseTransitions"] = moved
        await self._api.request("PUT", _KIND.path(*self._place), taken)
        return True

    def _expired(self, found: Document) -> bool:
        """By our own clock: the other's stamp is only compared with itself."""
        version = found["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, time.monotonic())
        return time.monotonic() - self._seen[1] >= _LASTS

    def _document(self) -> Document:
        namespace, name = self._place
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"holderIdentity": self._identity, "leaseDurationSeconds": _LASTS, "renewTime": now},
        }
