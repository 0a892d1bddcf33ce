"""The chart's PodMonitors as it renders them."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
import yaml
from support.control_plane import CACHE
from support.prometheus_server import CHART

_APIS = ("monitoring.coreos.com/v1", "ray.io/v1")


def monitors() -> list[dict[str, Any]]:
    """Of an installation that watches all namespaces. Skips without Helm."""
    helm = shutil.which("helm") or shutil.which("helm", path=CACHE / "bin")
    if helm is None:
        pytest.skip("helm is not installed; `make cluster-up` builds it")
    command = [helm, "template", "ringfence", str(CHART), "-n", "ringfence-system", "--kube-version", "1.36.3"]
    command += ["-f", str(CHART / "ci/minimal-values.yaml"), "--set", "metrics.monitors.enabled=true"]
    command += [part for api in _APIS for part in ("--api-versions", api)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [one for one in yaml.safe_load_all(text) if one and one["kind"] == "PodMonitor"]
