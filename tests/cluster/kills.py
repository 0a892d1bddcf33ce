"""Ways to die: each ends something of the cluster or of a job as a power cut would. On the project's cluster only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cluster.devcluster import processes
from cluster.release import SYSTEM
from cluster.watched import Watched

from ringfence.demo import jobs

SILO = "jfk"


def operator(job: Watched) -> None:
    """Both replicas."""
    pods = job.cluster.items("-n", SYSTEM, "pods", "-l", "app.kubernetes.io/name=ringfence-operator")
    for pod in pods:
        _kill(pod["metadata"]["uid"], "ringfence_operator")


def coordinator(job: Watched) -> None:
    _kill_in(job, jobs.TEAM, "ringfence.federation.pods.coordinator")


def driver(job: Watched) -> None:
    _kill_in(job, SILO, "ringfence.federation.pods.driver")


def silo_process(job: Watched) -> None:
    """The process that holds the rows."""
    _kill_in(job, SILO, "ray::SiloProcess")


def gcs(job: Watched) -> None:
    _kill_in(job, SILO, "gcs_server")


def head(job: Watched) -> None:
    """The whole pod, without grace."""
    for pod in job.pods(SILO):
        name = pod["metadata"]["name"]
        job.cluster.kubectl("-n", SILO, "delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")


def store(job: Watched) -> None:
    processes.restart("minio", pause=3)


def api_server(job: Watched) -> None:
    processes.restart("kube-apiserver", pause=3)


ALL: dict[str, Callable[[Watched], None]] = {
    one.__name__: one for one in (operator, coordinator, driver, silo_process, gcs, head, store, api_server)
}


def _kill_in(job: Watched, namespace: str, program: str) -> None:
    """Some process of the job there; it is a mistake of the test if there is none."""
    killed = [_kill(pod["metadata"]["uid"], program) for pod in job.pods(namespace)]
    assert any(killed), f"no {program} runs"


def _kill(pod: str, program: str) -> bool:
    """SIGKILL to the pod's processes whose command line has `program` in it."""
    found = [pid for pid in _processes(pod) if program in _command(pid)]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _processes(pod: str) -> list[int]:
    """A container's processes are this machine's, in a control group named after the pod."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if f"pod{pod}" in (entry / "cgroup").read_text():
                    found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
