"""A folder with a task of one's own -> a zip whose bytes depend on nothing but names and contents.

Owners approve the digest of these bytes, so every machine must make the same ones: files in order of their names, one
date, one mode, nothing compressed (compressors differ by version).
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from ringfence import canonical
from ringfence.errors import InvalidTask

LARGEST = 10 * 2**20
_CODE = ".py"
_BESIDE = (".json", ".txt", ".yaml", ".yml")
_DATE = (1980, 1, 1, 0, 0, 0)
_SKIPPED = {"__pycache__", "node_modules", "venv", "build", "dist", "site-packages"}
_OUR_GROUP = b"ringfence.dev/"


def package(folder: Path) -> tuple[bytes, str]:
    """The zip and its digest `sha256:<hex>`.

    Raises InvalidTask for a folder without Python files, a link that leads out of it, an unreadable file, or more than
    10 MiB.
    """
    files = package_files(folder)
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # written as on Unix, wherever it is written
            archive.writestr(info, _read(path))
            if contents.tell() > LARGEST:
                raise _too_large(folder)
    data = contents.getvalue()
    return data, canonical.digest(data)


def package_files(folder: Path) -> dict[str, Path]:
    """What goes in, by name in the zip, sorted: Python files, and JSON, text and YAML files that lie beside one.

    Left out are hidden files, caches, virtual environments, and our own manifests, which name this package's digest and
    could not be part of it.
    """
    if not folder.is_dir():
        raise InvalidTask("is not a folder", where=str(folder), remedy="name the folder that holds the task's .py file")
    root = folder.resolve()
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(root):
        here = Path(place)
        folders[:] = sorted(name for name in folders if _visible(name))
        for name in folders:
            if (here / name).is_symlink():
                raise _leads_out(folder, here / name, root)
        code = any(name.endswith(_CODE) for name in names)
        for name in sorted(names):
            path = here / name
            if _visible(name) and (name.endswith(_CODE) or (code and name.endswith(_BESIDE) and not _manifest(path))):
                if not path.resolve().is_relative_to(root):
                    raise _leads_out(folder, path, root)
                found[path.relative_to(root).as_posix()] = path
    if not any(name.endswith(_CODE) for name in found):
        raise InvalidTask("holds no Python file", where=str(folder), remedy="name the folder that holds the task")
    return dict(sorted(found.items()))


def _visible(name: str) -> bool:
    return not name.startswith(".") and name not in _SKIPPED and not name.endswith(".egg-info")


def _manifest(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml") and _OUR_GROUP in _read(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise _too_large(path)
        return path.read_bytes()
    except OSError as error:
        raise InvalidTask(f"cannot be read ({error.strerror})", where=str(path)) from error


def _too_large(path: Path) -> InvalidTask:
    return InvalidTask("a code package is at most 10 MiB", where=str(path), remedy="keep data out of the task's folder")


def _leads_out(folder: Path, path: Path, root: Path) -> InvalidTask:
    return InvalidTask(
        f"{path.relative_to(root).as_posix()!r} is a link to elsewhere",
        where=str(folder),
        remedy="copy what it points to, so that the digest covers it",
    )
