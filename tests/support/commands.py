"""The command line as a process of its own, and the processes that it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.hospitals import House

from ringfence.spec.load import dump

MAIN = "import sys; from ringfence.cli import main; sys.exit(main())"
os.environ["RINGFENCE_TESTS_OF"] = str(os.getpid())
_MARK = f"RINGFENCE_TESTS_OF={os.getpid()}".encode()


def environment(root: Path, **more: str) -> dict[str, str]:
    """This process's environment with a state directory of the test's own."""
    return {**os.environ, "RINGFENCE_STATE": str(root / "state"), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}


def start(root: Path, *arguments: object, **more: str) -> subprocess.Popen:
    """`ringfence ARGUMENTS` in the background."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment(root, **more), cwd=root, **pipes)


def ringfence(root: Path, *arguments: object, **more: str) -> subprocess.CompletedProcess:
    """`ringfence ARGUMENTS` to its end."""
    process = start(root, *arguments, **more)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def write_manifests(house: House, **changes: object) -> list[object]:
    """The house's manifests as files, and the arguments of `ringfence run` for them."""
    manifests = house.manifests(**changes)
    job = house.root / "job.yaml"
    job.write_text(dump(manifests.job()))
    files: list[object] = [job]
    if manifests.budgets:
        budgets = house.root / "budgets.yaml"
        budgets.write_text("---\n".join(dump(budget) for budget in manifests.budgets))
        files.append(budgets)
    return [*files, "--keys", house.root / "keys", "--store", house.root / "store"]


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    """Returns once `what()` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.02)


def silo_processes() -> list[int]:
    """Process ids of Ray actors that are silos and descend from this process, by a mark in their environment: Ray's
    processes are handed to init when their driver is killed."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ours = _MARK in (entry / "environ").read_bytes().split(b"\0")
                if ours and (entry / "cmdline").read_bytes().startswith(b"ray::SiloProcess"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
