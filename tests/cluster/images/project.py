"""The top layer: the project as it stands in this checkout, compiled, so that a read-only pod starts quickly."""

from __future__ import annotations

import compileall
import py_compile
import shutil
import tarfile
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from cluster.devcluster.places import RUN
from cluster.images.archive import Layer
from cluster.images.packages import CHECKOUT, SITE, write_scripts

SOURCES = (CHECKOUT / "workloads/ringfence", CHECKOUT / "operator/ringfence_operator")
_NO_CACHES = shutil.ignore_patterns("__pycache__")


def project() -> Layer:
    """Both packages with their compiled files and the distribution's metadata."""
    path = RUN / "project.tar"
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / SITE
        for source in SOURCES:
            shutil.copytree(source, site / source.name, ignore=_NO_CACHES)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        if not compileall.compile_dir(site, quiet=1, invalidation_mode=mode, stripdir=folder, prependdir="/"):
            raise SystemExit("the project does not compile")
        _write_metadata(site)
        with tarfile.open(path, "w") as tar:
            tar.add(Path(folder) / "opt", arcname="opt")
            write_scripts(tar, distribution("ringfence"))
    return Layer.of(path)


def _write_metadata(site: Path) -> None:
    here = distribution("ringfence")
    folder = site / f"ringfence-{here.version}.dist-info"
    folder.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (folder / name).write_text(here.read_text(name) or "")
