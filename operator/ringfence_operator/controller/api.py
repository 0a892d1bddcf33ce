"""The API server: plain documents in and out, over the Kubernetes client's connections and credentials.

Its typed models are left aside: a document is rendered by us, and most answers are only a new resourceVersion.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_config

from ringfence.errors import ClusterError
from ringfence_operator.actions import Document
from ringfence_operator.controller.kinds import OF_KIND, Kind

MERGE = "application/merge-patch+json"
_PAGE = 500
_TIMEOUT = 30


class Api:
    """Requests to the API server. Every method raises ClusterError, with the status of the answer."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Api:
        """By the service account in a pod, else by the kubeconfig."""
        configuration = Configuration()
        options: dict[str, Any] = {"config_file": kubeconfig} if kubeconfig else {}
        await load_config(client_configuration=configuration, **options)  # type: ignore[no-untyped-call]
        configuration.connection_pool_maxsize = 64
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def create(self, document: Document) -> Document:
        """The object as made. The name of one that is there already is a ClusterError of status 409."""
        kind = OF_KIND[document["kind"]]
        return await self.request("POST", kind.path(document["metadata"].get("namespace", "")), document)

    async def get(self, kind: Kind, namespace: str, name: str) -> Document:
        """One object."""
        return await self.request("GET", kind.path(namespace, name))

    async def replace_status(self, kind: Kind, document: Document) -> Document:
        """Writes the status of `document`, if its resourceVersion is still the newest; else status 409."""
        metadata = document["metadata"]
        return await self.request("PUT", kind.path(metadata["namespace"], metadata["name"], "status"), document)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Document) -> Document:
        """A merge patch; with `metadata.resourceVersion` in it, only of that version."""
        return await self.request("PATCH", kind.path(namespace, name), patch, content=MERGE)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Deletes the object if it still has this uid; no error when it is gone."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self.request("DELETE", kind.path(namespace, name), options)
        except ClusterError as error:
            if error.status not in (404, 409):
                raise

    async def pages(self, kind: Kind, namespace: str = "") -> AsyncIterator[tuple[list[Document], int]]:
        """All objects that we ask for of a kind, in pages, each with the version at which all of them were read."""
        query = {"limit": str(_PAGE), "labelSelector": kind.selector}
        while True:
            page = await self.request("GET", kind.path(namespace), query=query)
            metadata = page.get("metadata", {})
            yield page.get("items", []), int(metadata.get("resourceVersion") or 0)
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Document:
        """One request and its answer."""
        configuration = self._client.configuration
        headers = {"Accept": "application/json", "Content-Type": content, "User-Agent": "ringfence-operator"}
        for setting in (await configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        url = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            async with self._session().request(
                method,
                url,
                data=None if body is None else json.dumps(body),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            ) as answer:
                data = await answer.read()
        except (TimeoutError, aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
            raise ClusterError(f"the API server does not answer ({type(error).__name__})", where=path) from error
        if answer.status >= 400:
            raise _refusal(answer.status, data, path)
        found: Any = json.loads(data) if data else {}
        return found if isinstance(found, dict) else {}

    def _session(self) -> aiohttp.ClientSession:
        """The client's own pool of connections, made at the first request."""
        rest = self._client.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        return rest.pool_manager


def _refusal(code: int, data: bytes, path: str) -> ClusterError:
    try:
        message = str(json.loads(data).get("message", ""))[:500]
    except (ValueError, AttributeError):
        message = ""
    error = ClusterError(message or f"HTTP {code}", where=path)
    error.status = code
    return error
