"""What the cluster offers beside Kubernetes itself: names, KubeRay, an object store, torch from this machine, a GPU."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import signal
import urllib.request
from pathlib import Path

from cluster.devcluster.kubectl import kubectl
from cluster.devcluster.places import BIN, CRDS, DNS_IP, KUBECONFIG, NODE, NODE_IP, RUN, STORE
from cluster.devcluster.processes import end, restart, start, started, wait

TORCH = "ringfence-torch"
"""The name of the volume and of every namespace's claim on it."""

_STORE_ROOT = RUN / "store.json"


def dns_up() -> None:
    """CoreDNS as a process behind a Service without selector: it needs no image."""
    lines = [
        ".:53 {",
        f" bind {NODE_IP}",
        " errors",
        f" kubernetes cluster.local {{\n  kubeconfig {KUBECONFIG}\n }}",
        " cache 5",
        "}",
    ]
    (RUN / "Corefile").write_text("\n".join(lines) + "\n")
    start("coredns", BIN / "coredns", "-conf", RUN / "Corefile")
    ports = [
        {"name": name, "port": 53, "protocol": protocol} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    name = {"kubernetes.io/service-name": "kube-dns"}
    apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {"clusterIP": DNS_IP, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "kube-dns-host", "namespace": "kube-system", "labels": name},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
        },
    )


def kuberay_up() -> None:
    """KubeRay's definitions and its operator, as a process that reaches pods through the API server."""
    kubectl("apply", "--server-side", "-f", str(CRDS))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    start(
        "ray-operator",
        *(BIN / "ray-operator", "--enable-leader-election=false", "--use-kubernetes-proxy"),
        *("--metrics-addr=127.0.0.1:8085", "--health-probe-bind-address=127.0.0.1:8082"),
        environment={"KUBECONFIG": str(KUBECONFIG)},
    )


def store_up() -> None:
    """MinIO, with root credentials of this cluster's own."""
    root = {"access_key": "ringfence-root", "secret_key": secrets.token_urlsafe(24)}
    _STORE_ROOT.write_text(json.dumps(root))
    _STORE_ROOT.chmod(0o600)
    start(
        "minio",
        *(BIN / "minio", "server", "--quiet", "--address", STORE.removeprefix("http://"), RUN / "store"),
        environment={
            "MINIO_ROOT_USER": root["access_key"],
            "MINIO_ROOT_PASSWORD": root["secret_key"],
            "MINIO_BROWSER": "off",
        },
    )
    _store_wait()


def store_clear() -> None:
    """An empty store: its locks outlive every request to delete, so its folder goes and it starts anew."""
    end([started()["minio"]], signal.SIGKILL)
    shutil.rmtree(RUN / "store", ignore_errors=True)
    restart("minio")
    _store_wait()


def store_root() -> tuple[str, str]:
    """The store's root access key and secret key."""
    root = json.loads(_STORE_ROOT.read_text())
    return root["access_key"], root["secret_key"]


def _store_wait() -> None:
    wait("minio", lambda: urllib.request.urlopen(f"{STORE}/minio/health/ready", timeout=3).status == 200)


def torch_volume(namespace: str) -> list[dict[str, object]]:
    """A read-only volume with this machine's site-packages, where torch lies, and `namespace`'s claim on it.

    Pod Security `restricted` refuses a hostPath in a pod, not a claim on a volume that is one.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise SystemExit("torch is not installed beside this Python: the test cluster's pods take it from there")
    name, size = f"{TORCH}-{namespace}", {"storage": "10Gi"}
    common = {"accessModes": ["ReadOnlyMany"], "storageClassName": "", "volumeMode": "Filesystem"}
    volume = {**common, "capacity": size, "hostPath": {"path": str(Path(spec.origin).parents[1])}}
    reference = {"claimRef": {"namespace": namespace, "name": TORCH}}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {**volume, **reference, "persistentVolumeReclaimPolicy": "Retain"},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": TORCH, "namespace": namespace},
            "spec": {**common, "resources": {"requests": size}, "volumeName": name},
        },
    ]


def pretend_gpus(count: int) -> None:
    """Let the scheduler believe that the node has GPUs."""
    patch = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(count)}]
    kubectl("patch", "node", NODE, "--subresource=status", "--type=json", "-p", json.dumps(patch))


def apply(*documents: dict[str, object]) -> None:
    """`kubectl apply` of these documents."""
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))
