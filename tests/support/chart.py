"""The Helm chart: where it lies, which helm renders it, and what it renders."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts/ringfence"
KUBERNETES = "1.36.3"
_BUILT = Path("~/.cache/ringfence/devcluster/bin").expanduser()


def helm() -> str | None:
    """The helm on the PATH, or the one that `make cluster-up` builds; None where there is none."""
    return shutil.which("helm") or shutil.which("helm", path=_BUILT)


def rendered(namespace: str, *options: str) -> list[dict[str, Any]]:
    """What an installation into `namespace` applies; hooks are left out."""
    command = [str(helm()), "template", "ringfence", str(CHART), "-n", namespace, "--no-hooks", *options]
    done = subprocess.run([*command, "--kube-version", KUBERNETES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]
