"""The whole cluster: up, down, and whether it is there."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.devcluster import addons, control_plane, network, node, pki
from cluster.devcluster.pause import import_pause
from cluster.devcluster.places import BIN, CACHE, KUBECONFIG, LOGS, RUN
from cluster.devcluster.processes import end, started

_FIRST = ("kubelet", "ray-operator", "kube-controller-manager", "kube-scheduler")


def running() -> bool:
    """Whether a cluster of ours answers."""
    if not KUBECONFIG.exists():
        return False
    try:
        return control_plane.ready()
    except OSError:
        return False


def up() -> None:
    """Start a cluster, or keep the one that answers."""
    with _one_at_a_time():
        if running():
            return
        down()
        LOGS.mkdir(parents=True)
        _share_mounts()
        network.up()
        pki.create()
        control_plane.up()
        node.containerd_up()
        import_pause()
        node.up()
        addons.dns_up()
        addons.kuberay_up()
        addons.store_up()


def down() -> None:
    """End only what `up` started, first whatever would start something anew."""
    processes = started()
    end([processes[name] for name in _FIRST if name in processes], signal.SIGKILL)
    _end_containers()
    if (BIN / "kube-proxy").exists() and processes:
        subprocess.run([BIN / "kube-proxy", "--cleanup"], capture_output=True, check=False)
    # The API server ignores SIGTERM while watches are open.
    end(list(processes.values()), signal.SIGTERM, signal.SIGKILL, seconds=2)
    _end_shims()
    if processes:
        network.down()
    _unmount()
    _remove_cgroups()
    shutil.rmtree(RUN, ignore_errors=True)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two `up`s at once would make two halves of a cluster."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_containers() -> None:
    """Every task and container that containerd knows, however often it takes: ending one may fail while it starts."""
    if not node.SOCKET.exists():
        return
    for what, force in (("tasks", ["-f"]), ("containers", [])):
        for _ in range(5):
            left = _listed(what)
            for entry in left:
                with suppress(subprocess.SubprocessError):
                    node.ctr(what, "rm", *force, entry)
            if not left:
                break


def _listed(what: str) -> list[str]:
    try:
        return node.ctr(what, "ls", "-q").split()
    except (subprocess.SubprocessError, OSError):  # containerd is gone: its shims are ended below
        return []


def _end_shims() -> None:
    """What still holds a container is a process that names our containerd's socket."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"containerd-shim" in words[0] and str(node.SOCKET).encode() in words:
                    for child in (entry / "task" / entry.name / "children").read_text().split():
                        os.kill(int(child), signal.SIGKILL)
                    os.kill(int(entry.name), signal.SIGKILL)


def _share_mounts() -> None:
    """Pods may share what is mounted below the cluster's own folder; the machine's other mounts stay as they are."""
    for how in (["--bind", str(RUN)], ["--make-rprivate"], ["--make-rshared"]):
        subprocess.run(["mount", *how, str(RUN)], check=True)


def _unmount() -> None:
    places = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    for place in sorted((one for one in places if f"{one}/".startswith(f"{RUN}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def _remove_cgroups() -> None:
    for top in Path("/sys/fs/cgroup").glob("*/kubepods"):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:  # still in use by a process that is about to end
                continue
