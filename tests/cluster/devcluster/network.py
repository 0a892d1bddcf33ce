"""Links, addresses and the pod network; and how none of it stays behind."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

from cluster.devcluster.places import NODE_IP, PODS, RUN

_NODE_LINK, _POD_LINK, _NETWORK = "rfnode", "rfpods", "devcluster"
_CNI = Path("/var/lib/cni")
_FORWARDING, _WAS = Path("/proc/sys/net/ipv4/ip_forward"), RUN / "ip_forward"


def up() -> None:
    """The node's address on a link of its own, and forwarding."""
    _quietly("ip", "link", "add", _NODE_LINK, "type", "bridge")
    _quietly("ip", "addr", "add", f"{NODE_IP}/32", "dev", _NODE_LINK)
    subprocess.run(["ip", "link", "set", _NODE_LINK, "up"], check=True)
    _WAS.write_text(_FORWARDING.read_text())
    _FORWARDING.write_text("1")


def write_pod_network(folder: Path) -> None:
    """The CNI configuration: a bridge for pods, which NetworkPolicies do not reach."""
    folder.mkdir(parents=True, exist_ok=True)
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": PODS.replace("/16", "/24")}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(RUN / "ipam"),
    }
    bridge = {"type": "bridge", "bridge": _POD_LINK, "isGateway": True, "ipMasq": True, "hairpinMode": True}
    plugins = [{**bridge, "ipam": ipam}, {"type": "portmap", "capabilities": {"portMappings": True}}]
    document = {"cniVersion": "1.0.0", "name": _NETWORK, "plugins": plugins}
    (folder / "10-bridge.conflist").write_text(json.dumps(document))


def down() -> None:
    """Remove links, the pods' network namespaces and the rules that were made for them; forwarding is as it was."""
    _remove_namespaces()
    _remove_rules()
    for link in (_POD_LINK, _NODE_LINK):
        _quietly("ip", "link", "del", link)
    if _WAS.exists():
        _FORWARDING.write_text(_WAS.read_text())


def _remove_namespaces() -> None:
    """The plugins keep a note of every pod's namespace."""
    for note in (_CNI / "results").glob(f"{_NETWORK}-*"):
        for namespace in set(re.findall(r"/(?:var/)?run/netns/(cni-[0-9a-f-]+)", note.read_text())):
            _quietly("ip", "netns", "del", namespace)
        pod = note.name.removeprefix(f"{_NETWORK}-").partition("-")[0]
        (_CNI / "results" / f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def _remove_rules() -> None:
    """The masquerading rules that the bridge plugin made for pods that it was never told to delete."""
    listed = subprocess.run(["iptables", "-t", "nat", "-S"], text=True, capture_output=True, check=False).stdout
    for words in map(shlex.split, listed.splitlines()):
        chain = words[-1]
        if words[:2] == ["-A", "POSTROUTING"] and chain.startswith("CNI-") and f'name: "{_NETWORK}"' in " ".join(words):
            _quietly("iptables", "-t", "nat", "-D", *words[1:])
            _quietly("iptables", "-t", "nat", "-F", chain)
            _quietly("iptables", "-t", "nat", "-X", chain)


def _quietly(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=False)
