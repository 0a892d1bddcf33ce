"""The operator's writes as they were made, and a bare client that makes the same ones again for other jobs."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from ringfence_operator.controller.api import Api

Write = tuple[str, str, str, str]
"""(method, path, body, content type)."""


class Recorder:
    """An Api whose writes are noted; everything else is the Api's own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.writes: list[Write] = []
        plain = api.request

        async def request(method: str, path: str, body: object = None, **given: Any) -> Any:
            if method != "GET" and "/leases/" not in path:
                self.writes.append((method, path, json.dumps(body), given.get("content", "application/json")))
            return await plain(method, path, body, **given)

        api.request = request  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.api, name)


async def replay(api: Api, jobs: list[dict[str, Any]], writes: list[Write], old: str, new: str) -> float:
    """Seconds that the creates of `jobs` and the identical writes take, 32 at once, under names of their own.

    Writes of one job keep their order; a status or finalizer write takes the newest version, as the operator's did.
    """
    start = time.monotonic()
    made = await _together([lambda one=one: api.create(one) for one in jobs])
    uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in made}
    chains: dict[str, list[Write]] = {}
    owner = {}
    for write in writes:
        document = json.loads(write[2]) if write[2] != "null" else {}
        metadata = document.get("metadata", {})
        uid = (metadata.get("labels") or {}).get("ringfence.dev/job-uid") or metadata.get("uid")
        uid = uid or (document.get("involvedObject") or {}).get("uid") or "consent"
        if document.get("kind") == "FederatedJob":
            owner[uid] = metadata["name"]
        chains.setdefault(uid, []).append(write)
    pairs = [(chain, uids.get(owner.get(uid, "").replace(old, new), ""), uid) for uid, chain in chains.items()]
    await _together([lambda pair=pair: _chain(api, *pair, old, new) for pair in pairs])
    return time.monotonic() - start


async def _chain(api: Api, chain: list[Write], new_uid: str, old_uid: str, old: str, new: str) -> None:
    anchors: dict[str, str] = {}
    version = ""
    for method, path, text, content in chain:
        if old_uid == "consent":
            await api.request(method, path, json.loads(text), content=content)
            continue
        body = json.loads(text.replace(old_uid, new_uid).replace(old, new).replace('"name": "rf-', '"name": "rb-'))
        path = path.replace(old, new)
        for reference in body["metadata"].get("ownerReferences", ()):
            reference["uid"] = anchors[body["metadata"]["namespace"]]
        if "resourceVersion" in body["metadata"]:
            body["metadata"].pop("resourceVersion")
            if version:
                body["metadata"]["resourceVersion"] = version
        elif body["kind"] == "Event":
            body["metadata"]["name"] += "b"
        found = await api.request(method, path, body, content=content)
        if body.get("kind") == "ConfigMap":
            anchors[body["metadata"]["namespace"]] = found["metadata"]["uid"]
        if "/federatedjobs/" in path:
            version = found["metadata"]["resourceVersion"]


async def _together(calls: list[Any]) -> list[Any]:
    gate = asyncio.Semaphore(32)

    async def one(call: Any) -> Any:
        async with gate:
            return await call()

    return list(await asyncio.gather(*(one(call) for call in calls)))
