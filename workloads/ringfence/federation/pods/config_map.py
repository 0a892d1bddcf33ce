"""One ConfigMap, patched over the API server's REST interface with the pod's own service account.

The coordinator's account may read and patch exactly one object, so it needs no client library.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.spec.assignment import ObjectRef

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 5.0


@dataclass(frozen=True)
class ConfigMap:
    """The ConfigMap `place`, on the API server at `server`; `account` holds the token and the authority."""

    place: ObjectRef
    server: str
    account: Path = _ACCOUNT

    @staticmethod
    def in_cluster(place: ObjectRef) -> ConfigMap:
        """As a pod reaches it."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        return ConfigMap(place, f"https://{f'[{host}]' if ':' in host else host}:{port}")

    def patch(self, data: dict[str, str]) -> dict[str, str]:
        """Merge `data` into it; all its data afterwards. Raises OSError when the API server is away or says no.

        The token is read each time, because the kubelet replaces it before it expires.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            f"{self.server}/api/v1/namespaces/{self.place.namespace}/configmaps/{self.place.name}",
            data=json.dumps({"data": data}).encode(),
            method="PATCH",
            headers={
                "Content-Type": "application/merge-patch+json",
                "Authorization": f"Bearer {(self.account / 'token').read_text().strip()}",
            },
        )
        with urllib.request.urlopen(request, timeout=_SECONDS, context=self._context()) as answer:  # noqa: S310
            found: Any = json.load(answer)
        return {str(key): str(value) for key, value in (found.get("data") or {}).items()}

    def _context(self) -> ssl.SSLContext | None:
        if not self.server.startswith("https:"):
            return None
        return ssl.create_default_context(cafile=str(self.account / "ca.crt"))
