"""The operator as a Helm release: what a platform engineer types, with this cluster's images and store."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.devcluster import addons, places
from cluster.reached import Cluster
from support.chart import CHART

SYSTEM = "ringfence-system"
_WAIT = ("--wait", "--timeout=10m")


@dataclass(frozen=True)
class Release:
    """Release `name` in the operator's namespace, which is there already."""

    cluster: Cluster
    name: str = "ringfence"

    def install(self, chart: Path = CHART, options: Sequence[str] = ()) -> None:
        """Returns when both replicas are ready."""
        self.helm("install", self.name, str(chart), *self._values(), *_WAIT, *options)

    def upgrade(self, chart: Path = CHART, options: Sequence[str] = ()) -> None:
        """Returns when both new replicas are ready and the old ones are gone."""
        self.helm("upgrade", self.name, str(chart), *self._values(), *_WAIT, *options)
        self.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/ringfence-operator", "--timeout=300s")

    def test(self) -> str:
        """What the chart's own test says, line by line."""
        return self.helm("test", self.name, "--logs", "--timeout=10m")

    def uninstall(self) -> None:
        self.helm("uninstall", self.name, *_WAIT)

    def deployed(self) -> str:
        """Chart and status of the newest revision."""
        return self.helm("list", "--all")

    def previous(self, folder: Path) -> Path:
        """The same chart under an earlier version, to upgrade from."""
        self._run("package", str(CHART), "--version", "0.0.1", "--destination", str(folder))
        return folder / "ringfence-0.0.1.tgz"

    def helm(self, *arguments: str) -> str:
        return self._run("--kubeconfig", self.cluster.kubeconfig, "-n", SYSTEM, *arguments)

    def _run(self, *arguments: str) -> str:
        program = places.BIN / "helm" if self.cluster.ours else shutil.which("helm")
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr.strip()}{done.stdout[-2000:]}"
        return done.stdout

    def _values(self) -> list[str]:
        repository, _, tag = self.cluster.operator.rpartition(":")
        digest = repository.endswith("@sha256")
        image = {"image.digest": f"sha256:{tag}"} if digest else {"image.tag": tag}
        given = {
            "image.repository": repository.removesuffix("@sha256"),
            **image,
            "workload.image": self.cluster.workload,
            "store.endpoint": self.cluster.store,
            **({"workload.extraClaim": f"{addons.TORCH}:/opt/torch"} if self.cluster.ours else {}),
        }
        return [word for name, value in given.items() for word in ("--set-string", f"{name}={value}")]
