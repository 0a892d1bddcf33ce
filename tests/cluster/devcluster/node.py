"""The one node: containerd, kubelet and kube-proxy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cluster.devcluster import network
from cluster.devcluster.kubectl import kubectl
from cluster.devcluster.pki import kubeconfig
from cluster.devcluster.places import BIN, DNS_IP, LOGS, NODE, NODE_IP, PKI, PODS, RUN
from cluster.devcluster.processes import start, wait

SOCKET = RUN / "containerd.sock"
# restrict_oom_score_adj: without CAP_SYS_RESOURCE, runc 1.1 dies on a negative score ("can't get final child's PID").
_CONTAINERD = f"""version = 2
root = "{RUN}/containerd"
state = "{RUN}/containerd-state"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{RUN}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def containerd_up() -> None:
    """Start containerd alone; images can be imported once it answers."""
    network.write_pod_network(RUN / "cni")
    (RUN / "containerd.toml").write_text(_CONTAINERD)
    start("containerd", "containerd", "--config", RUN / "containerd.toml")
    wait("containerd", lambda: ctr("version"))


def up() -> None:
    """Start kubelet and kube-proxy; returns when the node is ready."""
    (RUN / "kubelet.yaml").write_text(json.dumps(_kubelet()))
    start(
        "kubelet",
        *(BIN / "kubelet", f"--kubeconfig={kubeconfig('kubelet')}", f"--config={RUN}/kubelet.yaml"),
        *(f"--hostname-override={NODE}", f"--node-ip={NODE_IP}"),
        *(f"--root-dir={RUN}/kubelet", f"--cert-dir={PKI}"),
    )
    (RUN / "proxy.yaml").write_text(json.dumps(_proxy()))
    start("kube-proxy", BIN / "kube-proxy", f"--config={RUN}/proxy.yaml")
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    wait("node", lambda: kubectl("get", "node", NODE, "-o", ready) == "True")
    _weigh()


def _weigh() -> None:
    """Pods as one group would have the processor time of two of this machine's processes, and starve beside a dozen:
    a Ray head that gets too little dies of its own time limits. So the group weighs what sixteen processes do."""
    for name, value in (("cpu/kubepods/cpu.shares", 16 * 1024), ("kubepods/cpu.weight", 16 * 100)):
        place = Path("/sys/fs/cgroup") / name
        if place.exists():
            place.write_text(str(value))


def ctr(*arguments: str) -> str:
    """containerd's own client, in the namespace that the kubelet uses."""
    command = ["ctr", "-a", str(SOCKET), "-n", "k8s.io", *arguments]
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=600).stdout


def _kubelet() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "syncFrequency": "10s",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {
            "memory.available": "100Mi",
            **{f"{what}.{of}": "0%" for what in ("nodefs", "imagefs") for of in ("available", "inodesFree")},
        },
        "imageGCHighThresholdPercent": 100,
        "tlsCertFile": f"{PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
        "volumePluginDir": f"{RUN}/kubelet/plugins",
        "podLogsDir": f"{LOGS}/pods",
    }


def _proxy() -> dict[str, object]:
    # Zeros: a sandboxed machine may not change the connection tracker's limits.
    limits = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "bindAddress": "127.0.0.1",
        "clientConnection": {"kubeconfig": str(kubeconfig("proxy"))},
        "hostnameOverride": NODE,
        "clusterCIDR": PODS,
        "conntrack": limits,
    }
