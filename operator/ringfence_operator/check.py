"""`python -m ringfence_operator.check`: whether an installation works, line by line; `helm test` runs it in a pod."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from ringfence.errors import ClusterError
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.identity import NAME
from ringfence_operator.controller.kinds import OF_KIND

_FRESH = 60.0
_SECONDS = 10

Check = Callable[[], Awaitable[str]]
"""What was found when all is well. Raises ClusterError, with what to do, when not."""


async def checks(api: Api, namespace: str, endpoint: str) -> int:
    """Tells of every check on stdout; 0 when all hold."""
    todo: dict[str, Check] = {
        "resources": lambda: _served(api, "/apis/ringfence.dev/v1alpha1", "set crds.install=true, or apply crds/"),
        "KubeRay": lambda: _served(api, "/apis/ray.io/v1", "install the KubeRay operator"),
        "leader": lambda: _leader(api, namespace),
        "key": lambda: _key(api, namespace),
        "store": lambda: asyncio.to_thread(_store, endpoint),
    }
    failed = 0
    for name, check in todo.items():
        try:
            line = f"ok    {name}: {await check()}"
        except ClusterError as error:
            line, failed = f"FAIL  {name}: {error}", 1
        sys.stdout.write(line + "\n")
    return failed


async def _served(api: Api, path: str, remedy: str) -> str:
    try:
        await api.request("GET", path)
    except ClusterError as error:
        raise ClusterError("not served by this API server", where=path, remedy=remedy) from error
    return path


async def _leader(api: Api, namespace: str) -> str:
    spec = (await api.get(OF_KIND["Lease"], namespace, NAME)).get("spec", {})
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        raise ClusterError("no replica holds the Lease", where=NAME, remedy="look at the operator's log")
    age = (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds()
    if age > _FRESH:
        raise ClusterError(f"{holder} renewed the Lease {age:.0f} s ago", where=NAME, remedy="is the operator running?")
    return str(holder)


async def _key(api: Api, namespace: str) -> str:
    data = (await api.get(OF_KIND["ConfigMap"], namespace, NAME)).get("data", {})
    return str(data.get("writer", ""))


def _store(endpoint: str) -> str:
    """Any answer will do: whether credentials suffice is for each budget's condition to say."""
    if not endpoint.startswith(("http://", "https://")):
        raise ClusterError("no URL of a store is set", where="store.endpoint")
    try:
        with urllib.request.urlopen(endpoint, timeout=_SECONDS):  # noqa: S310 - http and https only, checked above
            return endpoint
    except urllib.error.HTTPError:
        return endpoint
    except OSError as error:
        raise ClusterError(
            "does not answer", where=endpoint, remedy="check store.endpoint and network.store"
        ) from error


async def _main() -> int:
    api = await Api.connect()
    try:
        return await checks(api, os.environ["RINGFENCE_NAMESPACE"], os.environ.get("AWS_ENDPOINT_URL", ""))
    finally:
        await api.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
