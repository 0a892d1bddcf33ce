"""A Kubernetes with KubeRay, an object store and our images: the project's own, or one that the user has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from cluster.devcluster import addons, places
from cluster.images import built

_GIVEN = {
    "store": "RINGFENCE_TEST_STORE_URL",
    "access": "RINGFENCE_TEST_STORE_ACCESS_KEY",
    "secret": "RINGFENCE_TEST_STORE_SECRET_KEY",
    "operator": "RINGFENCE_TEST_OPERATOR_IMAGE",
    "workload": "RINGFENCE_TEST_WORKLOAD_IMAGE",
}


@dataclass(frozen=True)
class Cluster:
    """How tests reach it. `ours` says whether its processes may be killed and torch must be brought by a volume."""

    kubeconfig: str
    store: str
    access: str
    secret: str
    operator: str
    workload: str
    ours: bool

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl ARGUMENTS` prints."""
        program = places.BIN / "kubectl" if self.ours else shutil.which("kubectl")
        command = [str(program), "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, text=True, input=stdin, capture_output=True, timeout=600, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    def apply(self, *documents: dict[str, Any]) -> None:
        """Apply documents in their order, by the server."""
        text = "\n---\n".join(json.dumps(document) for document in documents)
        self.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or a list, as a document."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        return self.get(*arguments)["items"]

    def variables(self) -> dict[str, str]:
        """The store's administrator, as the AWS_* variables."""
        return {
            "AWS_ENDPOINT_URL": self.store,
            "AWS_ALLOW_HTTP": str(self.store.startswith("http://")).lower(),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }


def own() -> Cluster:
    """The project's own test cluster, which runs."""
    access, secret = addons.store_root()
    return Cluster(str(places.KUBECONFIG), places.STORE, access, secret, built.OPERATOR, built.WORKLOAD, True)


def users() -> Cluster | str:
    """The cluster that KUBECONFIG names; or, in words, what else must be said about it."""
    absent = [name for name in _GIVEN.values() if not os.environ.get(name)]
    if shutil.which("kubectl") is None:
        absent.append("kubectl on the PATH")
    if absent:
        return f"KUBECONFIG names a cluster of yours; to use it, set {', '.join(absent)} (docs/testing.md), or unset it"
    return Cluster(os.environ["KUBECONFIG"], ours=False, **{key: os.environ[name] for key, name in _GIVEN.items()})
