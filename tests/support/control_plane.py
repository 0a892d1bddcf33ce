"""An API server of one's own: etcd, kube-apiserver and the controllers that collect garbage, without nodes or pods.

Pods are objects here that a test writes itself. Ports are free ones, data is in a temporary folder, and all of it ends
with the fixture, so it may run beside a cluster that is up.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CACHE = Path(os.environ.get("DEVCLUSTER_CACHE", Path.home() / ".cache/ringfence/devcluster"))
BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
CONTROLLERS = (
    "garbage-collector-controller,namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller"
)
TOKEN = "administrator"


def missing() -> list[str]:
    """What is needed and not there."""
    return [name for name in BINARIES if not (CACHE / "bin" / name).exists()]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class ControlPlane:
    """Everything below `root`."""

    root: Path
    port: int = 0
    collects: bool = True
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> ControlPlane:
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._keys()
        self._etcd_port = free_port()
        self._run_etcd()
        self.run_apiserver()
        if self.collects:
            self._run_collector()
        return self

    def _run_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._start(
            "etcd",
            *("--data-dir", self.root / "etcd", "--unsafe-no-fsync", "--log-level", "error"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def run_apiserver(self) -> None:
        """Also after `kill_apiserver`."""
        self._api = self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.root}",
            f"--token-auth-file={self.root / 'tokens'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.root / 'sa.pub'}",
            f"--service-account-signing-key-file={self.root / 'sa.key'}",
            "--service-cluster-ip-range=10.97.0.0/16",
            "--watch-cache=true",
        )
        self._wait()

    def kill_apiserver(self) -> None:
        self._api.kill()
        self._api.wait()

    def _run_collector(self) -> None:
        kubeconfig = self.kubeconfig("admin", TOKEN)
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--controllers={CONTROLLERS}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={self.root / 'sa.key'}",
        )

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def kubeconfig(self, user: str, token: str) -> Path:
        """A kubeconfig of a user with a token."""
        path = self.root / f"{user}.kubeconfig"
        server = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": server}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": user}}],
        }
        path.write_text(json.dumps(document))
        return path

    def kubectl(self, *arguments: str, documents: list[dict[str, Any]] | None = None, check: bool = True) -> str:
        """kubectl as the administrator."""
        text = None
        if documents is not None:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        command = [CACHE / "bin/kubectl", "--kubeconfig", self.kubeconfig("admin", TOKEN), *arguments]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout if not done.returncode else done.stderr

    def apply(self, documents: list[dict[str, Any]]) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", documents=documents)

    def get(self, kind: str, namespace: str, name: str = "") -> Any:
        """One object, or all of a kind in a namespace ("" for all namespaces)."""
        place = ["-n", namespace] if namespace else ["-A"]
        found = json.loads(self.kubectl("get", kind, *([name] if name else []), *place, "-o", "json"))
        return found if name else found["items"]

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        """One request as whoever holds `token`: the answer's status and document, refusals too."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def token(self, namespace: str, account: str) -> str:
        """A token of a service account."""
        return self.kubectl("create", "token", account, "-n", namespace, "--duration=2h").strip()

    def _keys(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        style = serialization.PrivateFormat.TraditionalOpenSSL
        (self.root / "sa.key").write_bytes(key.private_bytes(pem, style, plain))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        (self.root / "sa.pub").write_bytes(key.public_key().public_bytes(pem, public))
        (self.root / "tokens").write_text(f"{TOKEN},admin,admin,system:masters\n")

    def _start(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            command = [str(CACHE / "bin" / name), *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def _wait(self) -> None:
        context = ssl._create_unverified_context()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/readyz")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(request, context=context, timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"the API server is not ready: see {self.root}/kube-apiserver.log")
