"""The lowest layer: a minimal Debian with the Python that this virtual environment has, made once and kept."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.devcluster.places import CACHE
from cluster.images.archive import Layer

_PACKAGES = ("ca-certificates", "python3-minimal", "libpython3-stdlib", "python3-distutils")
_UNNEEDED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/lib/apt",
    "var/cache",
    "var/log",
)
_USER = "ringfence:x:1000:1000::/tmp:/usr/sbin/nologin\n"


def base() -> Layer:
    """The layer, from the cache or made anew (about a minute). Raises SystemExit when Debian's Python is another."""
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    recipe = hashlib.sha256(repr((_PACKAGES, _UNNEEDED, _USER, sys.version_info[:2])).encode()).hexdigest()[:12]
    path = CACHE / "images" / f"base-{suite}-{recipe}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"making a Debian {suite} root file system, once", flush=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _make(Path(folder) / "root", suite)
            _pack(Path(folder) / "root", path)
    return Layer.of(path)


def _make(root: Path, suite: str) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite, str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not (root / "usr/bin" / wanted).exists():
        raise SystemExit(f"Debian {suite} has no {wanted}, for which this virtual environment's packages are built")
    for folder in _UNNEEDED:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
    with (root / "etc/passwd").open("a") as users:
        users.write(_USER)


def _pack(root: Path, path: Path) -> None:
    unfinished = path.with_suffix(".new")
    subprocess.run(["tar", "-C", str(root), "--exclude=./dev/*", "-cf", str(unfinished), "."], check=True)
    unfinished.rename(path)
