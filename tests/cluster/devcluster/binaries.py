"""The cluster's programs, compiled from Go modules and kept in the cache; about 20 minutes on two cores, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.devcluster.places import BIN, CRDS, KUBERNETES, MODULES

_VERSION = "k8s.io/component-base/version"
_KUBERNETES = " ".join(
    f"-X {_VERSION}.{name}={value}"
    for name, value in {
        "gitVersion": f"v{KUBERNETES}",
        "gitMajor": KUBERNETES.split(".")[0],
        "gitMinor": KUBERNETES.split(".")[1],
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
    }.items()
)
_KUBERAY = "github.com/ray-project/kuberay/ray-operator"


@dataclass(frozen=True)
class Binary:
    """A program: a package of one of our modules, or with `module` empty `package@version` by itself."""

    package: str
    module: str = ""
    flags: str = ""

    def recipe(self) -> str:
        """Changes whenever another program would be built."""
        sums = (MODULES / self.module / "go.sum").read_bytes() if self.module else b""
        return hashlib.sha256(f"{self.package} {self.flags} ".encode() + sums).hexdigest()


BINARIES = {
    "etcd": Binary("go.etcd.io/etcd/server/v3", "etcd"),
    **{
        name: Binary(f"k8s.io/kubernetes/cmd/{name}", "kubernetes", _KUBERNETES)
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        )
    },
    "ray-operator": Binary(_KUBERAY, "kuberay"),
    "coredns": Binary("github.com/coredns/coredns@v1.14.7"),
    "minio": Binary("github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"),
    "helm": Binary("helm.sh/helm/v3/cmd/helm@v3.21.4"),
    "kwok": Binary("sigs.k8s.io/kwok/cmd/kwok@v0.8.0"),
    "kubeconform": Binary("github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0"),
}
NEEDED = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "ray-operator",
    "coredns",
    "minio",
    "helm",
)
"""Without these there is no cluster; the others serve further tests."""


def missing(names: Iterable[str] = NEEDED) -> list[str]:
    """Those that are not built, or were built from other sources."""
    return [name for name in names if not _current(name)]


def build(names: Iterable[str] = BINARIES, tell: Callable[[str], None] = print) -> None:
    """Compile what is missing. Raises CalledProcessError, with Go's own words on stderr."""
    BIN.mkdir(parents=True, exist_ok=True)
    for name in missing(names):
        start = time.monotonic()
        _compile(name, BINARIES[name])
        _stamp(name).write_text(BINARIES[name].recipe())
        tell(f"{name}: built in {time.monotonic() - start:.0f} s")
    if not CRDS.is_dir() or not any(CRDS.iterdir()):
        _copy_crds()


def _compile(name: str, binary: Binary) -> None:
    flags = ["-trimpath", "-ldflags", f"-s -w {binary.flags}".strip()]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(BIN)}
    if binary.module:
        command = ["go", "build", *flags, "-o", str(BIN / f".{name}"), binary.package]
        subprocess.run(command, check=True, env=environment, cwd=MODULES / binary.module)
        (BIN / f".{name}").rename(BIN / name)
    else:
        subprocess.run(["go", "install", *flags, binary.package], check=True, env=environment, cwd="/")


def _copy_crds() -> None:
    """KubeRay's resource definitions lie in its module's source."""
    where = ["go", "list", "-m", "-f", "{{.Dir}}", _KUBERAY]
    source = subprocess.run(where, check=True, text=True, stdout=subprocess.PIPE, cwd=MODULES / "kuberay").stdout
    shutil.copytree(f"{source.strip()}/config/crd/bases", CRDS, dirs_exist_ok=True)
    for path in CRDS.iterdir():
        path.chmod(0o644)


def _current(name: str) -> bool:
    stamp = _stamp(name)
    return (BIN / name).is_file() and stamp.is_file() and stamp.read_text() == BINARIES[name].recipe()


def _stamp(name: str) -> Path:
    return BIN / f".{name}.recipe"
