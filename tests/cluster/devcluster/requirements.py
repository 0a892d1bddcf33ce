"""What this machine must have before a cluster can run on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.devcluster import binaries

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
    "debootstrap": "debootstrap",
}
"""Debian packages by what they bring."""


def absent_packages() -> list[str]:
    """Debian packages that are not here."""
    return sorted(package for what, package in PACKAGES.items() if not _there(what))


def missing() -> list[str]:
    """What keeps a cluster from starting, one line each; empty when it can."""
    found = []
    if sys.platform != "linux":
        return ["Linux"]
    if os.geteuid() != 0:
        found.append("root (it makes network links, mounts and containers)")
    if absent_packages():
        found.append("the Debian packages " + " ".join(absent_packages()))
    unbuilt = binaries.missing()
    if unbuilt and shutil.which("go") is None:
        found.append(f"Go 1.26 or newer, to build {', '.join(unbuilt)}")
    elif unbuilt:
        found.append(f"the programs {', '.join(unbuilt)}, which take about 20 minutes to build")
    return found


def install() -> None:
    """Install absent Debian packages and build missing programs. Raises SystemExit, in words, for what it cannot do."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise SystemExit("the test cluster needs Linux and root: it makes network links, mounts and containers")
    if packages := absent_packages():
        if shutil.which("apt-get") is None:
            raise SystemExit(f"install what brings these Debian packages: {' '.join(packages)}")
        print(f"installing Debian packages: {' '.join(packages)}", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True)
    if binaries.missing() and shutil.which("go") is None:
        raise SystemExit("Go 1.26 or newer is needed to build the cluster's programs")
    binaries.build(binaries.NEEDED, lambda line: print(line, flush=True))


def _there(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what) is not None
