"""kubectl as a function, with the administrator's kubeconfig of the test cluster."""

from __future__ import annotations

import subprocess

from cluster.devcluster.places import BIN, KUBECONFIG


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What `kubectl ARGUMENTS` prints. Raises CalledProcessError, which holds its words on stderr."""
    command = [str(BIN / "kubectl"), "--kubeconfig", str(KUBECONFIG), *arguments]
    return subprocess.run(command, check=True, text=True, input=stdin, capture_output=True, timeout=600).stdout
