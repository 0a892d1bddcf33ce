"""Heads of ledgers and versions of manifests, remembered in a ConfigMap of the operator's namespace.

It has no ownerReferences: it outlives every PrivacyBudget, and the owner of a bucket cannot take it back. Asked from
the threads that read ledgers; the API server is spoken to on the event loop. Two operators may write at once: each
writes only the version that it read, and nothing ever goes backwards.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Coroutine
from typing import Any

from ringfence.errors import ClusterError, InvalidInput, StoreError
from ringfence.privacy.ledger.view import Head
from ringfence.privacy.ledger.witness import Witness
from ringfence_operator.actions import Document
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.kinds import OF_KIND

NAME = "ringfence-heads"
_KIND = OF_KIND["ConfigMap"]
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_TRIES = 20


class ClusterMemory:
    """A Memory (`ringfence.acceptance`) and a Witness in one; for any thread but the event loop's own."""

    def __init__(self, api: Api, namespace: str, loop: asyncio.AbstractEventLoop) -> None:
        self._api = api
        self._namespace = namespace
        self._loop = loop
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    @property
    def witness(self) -> Witness:
        return self

    def remembered(self, dataset: str) -> Head | None:
        """See Witness. Raises StoreError when what is remembered cannot be read: it never counts as nothing."""
        text = self._data().get(f"{_checked(dataset)}.head")
        if text is None:
            return None
        try:
            match json.loads(text):
                case {"index": int(index), "hash": str(digest)}:
                    return Head(index, digest)
        except ValueError as error:
            raise StoreError("this remembered head is malformed", where=self._where(dataset)) from error
        raise StoreError("this remembered head is malformed", where=self._where(dataset))

    def remember(self, dataset: str, head: Head) -> None:
        """See Witness."""

        def further(data: Document) -> bool:
            known = data.get(f"{dataset}.head")
            return known is None or int(json.loads(known)["index"]) < head.index

        value = json.dumps({"index": head.index, "hash": head.hash})
        self._keep(f"{_checked(dataset)}.head", value, further)

    def seen_manifest(self, dataset: str) -> int:
        """See Memory."""
        text = self._data().get(f"{_checked(dataset)}.manifest", "0")
        if not text.isdecimal():
            raise StoreError("this remembered manifest version is malformed", where=self._where(dataset))
        return int(text)

    def remember_manifest(self, dataset: str, version: int) -> None:
        """See Memory."""

        def higher(data: Document) -> bool:
            return int(data.get(f"{dataset}.manifest", "0")) < version

        self._keep(f"{_checked(dataset)}.manifest", str(version), higher)

    def _data(self) -> dict[str, str]:
        with self._lock:
            known = dict(self._known)
        return known or self._read().get("data") or {}

    def _keep(self, key: str, value: str, wanted: Any) -> None:
        """Writes one value if it is further than what is there, whoever else writes beside us."""
        with self._lock:
            if self._known.get(key) == value:
                return
        for _ in range(_TRIES):
            document = self._read()
            data = document.get("data") or {}
            if not wanted(data):
                return
            patch = {"data": {key: value}, "metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}}
            try:
                self._take(self._ask(self._api.merge(_KIND, self._namespace, NAME, patch)))
                return
            except ClusterError as error:
                if error.status != 409:
                    raise StoreError("a head cannot be remembered", where=self._where(key)) from error
        raise StoreError("a head cannot be remembered: others write all the time", where=self._where(key))

    def _read(self) -> Document:
        try:
            return self._take(self._ask(self._api.get(_KIND, self._namespace, NAME)))
        except ClusterError as error:
            if error.status != 404:
                raise StoreError("remembered heads cannot be read", where=self._where(NAME)) from error
        metadata = {"name": NAME, "namespace": self._namespace}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
        try:
            return self._take(self._ask(self._api.create(document)))
        except ClusterError as error:
            if error.status != 409:
                raise StoreError("remembered heads cannot be kept", where=self._where(NAME)) from error
        return self._read()

    def _take(self, document: Document) -> Document:
        with self._lock:
            self._known = dict(document.get("data") or {})
        return document

    def _ask(self, call: Coroutine[Any, Any, Document]) -> Document:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(timeout=60)

    def _where(self, what: str) -> str:
        return f"ConfigMap {self._namespace}/{NAME} {what}"


def _checked(dataset: str) -> str:
    if not _DATASET.fullmatch(dataset):
        raise InvalidInput(f"dataset id {dataset[:80]!r} is malformed")
    return dataset
