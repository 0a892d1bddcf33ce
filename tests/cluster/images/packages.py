"""The middle layer: the distributions that one of the project's extras needs, as they stand in this environment."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from cluster.devcluster.places import CACHE
from cluster.images.archive import Layer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[3]
HOME = "opt/ringfence"
SITE = f"{HOME}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
SHARED = "/opt/torch"
"""Where a volume with further packages may be mounted; last on the path, so that it shadows nothing."""

_FROM_A_VOLUME = ("torch", "triton", "nvidia", "cuda")
_SCRIPT = "#!/{home}/bin/python\nimport sys\nfrom {module} import {name}\nsys.exit({call}())\n"


def packages(extra: str) -> Layer:
    """The layer for `ringfence[extra]`, from the cache or packed anew."""
    found = sorted(closure(extra).values(), key=lambda one: one.name)
    listed = [(one.name, one.version) for one in found]
    recipe = hashlib.sha256(repr((listed, SITE, SHARED, _SCRIPT)).encode()).hexdigest()[:12]
    path = CACHE / "images" / f"packages-{extra}-{recipe}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as tar:
            _write_environment(tar)
            for one in found:
                _write_distribution(tar, one)
        unfinished.rename(path)
    return Layer.of(path)


def closure(extra: str) -> dict[str, Distribution]:
    """What `ringfence[extra]` needs, by canonical name; without torch and what only its accelerators need."""
    found: dict[str, Distribution] = {}
    waiting = list(_asked(extra))
    seen = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        if key in seen or name.startswith(_FROM_A_VOLUME):
            continue
        seen.add(key)
        try:
            here = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed, which ringfence[{extra}] needs: make .venv/.dev") from None
        found[name] = here
        waiting += _needed(here, wanted.extras)
    return found


def _asked(extra: str) -> Iterator[Requirement]:
    """What pyproject.toml says now; an installation in place knows it as it was when it was installed."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"][extra]]
    for requirement in map(Requirement, lines):
        if requirement.name == "ringfence":
            for inner in requirement.extras:
                yield from _asked(inner)
        else:
            yield requirement


def _needed(here: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in here.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in (extras or {""})):
            yield requirement


def _write_environment(tar: tarfile.TarFile) -> None:
    """A virtual environment around Debian's Python."""
    _write(tar, f"{HOME}/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n")
    for name in ("python", "python3"):
        link = tarfile.TarInfo(f"{HOME}/bin/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        tar.addfile(link)
    _write(tar, f"{SITE}/shared.pth", f"{SHARED}\n".encode())


def _write_distribution(tar: tarfile.TarFile, one: Distribution) -> None:
    for file in one.files or ():
        if ".." not in file.parts and Path(str(one.locate_file(file))).is_file():
            tar.add(str(one.locate_file(file)), arcname=f"{SITE}/{file}", filter=_owned_by_root)
    write_scripts(tar, one)


def write_scripts(tar: tarfile.TarFile, one: Distribution) -> None:
    """The commands that a distribution declares."""
    for script in one.entry_points.select(group="console_scripts"):
        name = script.attr.partition(".")[0]
        text = _SCRIPT.format(home=HOME, module=script.module, name=name, call=script.attr)
        _write(tar, f"{HOME}/bin/{script.name}", text.encode(), mode=0o755)


def _write(tar: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
