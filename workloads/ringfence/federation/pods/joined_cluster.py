"""A silo's own Ray cluster, joined from the driver's container beside its head."""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path

from ringfence.errors import WorkloadFailed
from ringfence.federation.silo_processes import SiloProcesses

_LONGEST_START = 300.0
_PAUSE = 0.5


class JoinedCluster(SiloProcesses):
    """The Ray that this pod's head runs. `RAY_ADDRESS` names it; its token is in `RAY_AUTH_TOKEN`."""

    def __init__(self, seconds: float = _LONGEST_START) -> None:
        """Raises WorkloadFailed when no raylet took this driver in within `seconds`."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        end = time.monotonic() + seconds
        _wait_for_raylet(end)
        import ray

        while True:
            try:
                ray.init(address=_address(), logging_level=logging.ERROR, log_to_driver=False)
                break
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                ray.shutdown()
                if time.monotonic() > end:
                    raise WorkloadFailed("the silo's Ray cluster did not take its driver in") from error
                time.sleep(_PAUSE)
        super().__init__(ray)


def _address() -> str:
    return os.environ.get("RAY_ADDRESS", "127.0.0.1:6379")


def _wait_for_raylet(end: float) -> None:
    """GCS answers before the raylet does, and `ray.init` fails in between: wait until the raylet's socket accepts."""
    path = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray/session_latest/sockets/raylet"  # noqa: S108
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return
            except OSError as error:
                if time.monotonic() > end:
                    raise WorkloadFailed("the silo's Ray cluster did not start", where=str(path)) from error
        time.sleep(_PAUSE)
