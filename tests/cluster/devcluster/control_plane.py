"""etcd, the API server, the controller manager and the scheduler."""

from __future__ import annotations

import ssl
import urllib.request

from cluster.devcluster.pki import kubeconfig
from cluster.devcluster.places import API, BIN, KUBECONFIG, NODE_IP, PKI, PODS, RUN, SERVICES
from cluster.devcluster.processes import start, wait

_ETCD = "http://127.0.0.1:2379"


def up() -> None:
    """Start all four; returns when the API server is ready."""
    kubeconfig("admin")
    start(
        "etcd",
        *(BIN / "etcd", "--data-dir", RUN / "etcd", "--unsafe-no-fsync", "--log-level", "warn"),
        *("--listen-client-urls", _ETCD, "--advertise-client-urls", _ETCD),
        *("--listen-peer-urls", "http://127.0.0.1:2380"),
    )
    start("kube-apiserver", BIN / "kube-apiserver", *_api_server())
    wait("kube-apiserver", ready)
    start("kube-controller-manager", BIN / "kube-controller-manager", *_controller_manager())
    start("kube-scheduler", BIN / "kube-scheduler", *_component("scheduler"))


def ready() -> bool:
    """Whether the API server says that it is ready. Raises OSError while it cannot be reached."""
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    with urllib.request.urlopen(f"{API}/readyz", context=context, timeout=3) as answer:
        return KUBECONFIG.exists() and answer.status == 200


def _api_server() -> list[str]:
    return [
        f"--etcd-servers={_ETCD}",
        "--secure-port=6443",
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--client-ca-file={PKI}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={PKI}/kubelet-client.crt",
        f"--kubelet-client-key={PKI}/kubelet-client.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-admission-plugins=NodeRestriction",
        f"--requestheader-client-ca-file={PKI}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={PKI}/front-proxy.crt",
        f"--proxy-client-key-file={PKI}/front-proxy.key",
    ]


def _controller_manager() -> list[str]:
    return [
        *_component("controller-manager"),
        f"--root-ca-file={PKI}/ca.crt",
        f"--service-account-private-key-file={PKI}/sa.key",
        "--use-service-account-credentials",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={PODS}",
    ]


def _component(user: str) -> list[str]:
    config = kubeconfig(user)
    kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [*(f"--{kind}={config}" for kind in kinds), "--leader-elect=false", "--bind-address=127.0.0.1"]
