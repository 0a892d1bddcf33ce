"""A code package, unpacked where only this process reads it, and put on Python's path."""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from ringfence import canonical
from ringfence.errors import InvalidTask

_LARGEST = 50 * 2**20
_MOST_FILES = 2000

# Folders live as long as the process, because a task may import from its package while it runs.
_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}


def unpacked(code: bytes) -> frozenset[str]:
    """The top-level modules of the zip `code`, which can be imported from now on, in place of those of another package.

    Raises InvalidTask for bytes that are no zip, names that lead out of it, or a module that hides an installed one.
    """
    digest = canonical.digest(code)
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            members = _checked(archive)
            modules = frozenset(_modules(members))
            _forget(modules, keep=digest)
            if digest not in _folders:
                _make_way(modules)
                folder = tempfile.TemporaryDirectory(prefix="ringfence-code-")
                for member in members:
                    archive.extract(member, folder.name)
                _folders[digest] = folder
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise InvalidTask(
            "the code package is not a readable zip", remedy="make it with `ringfence package DIR`"
        ) from error
    if _folders[digest].name not in sys.path:
        sys.path.insert(0, _folders[digest].name)
    return modules


def _checked(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _LARGEST:
        raise InvalidTask(f"the code package holds more than {_MOST_FILES} files or 50 MiB")
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
            raise InvalidTask(f"the code package names a file outside itself: {member.filename[:80]!r}")
    return members


def _modules(members: list[zipfile.ZipInfo]) -> set[str]:
    """Names that `import` would find: files x.py, and folders that hold a Python file."""
    paths = [PurePosixPath(member.filename) for member in members if member.filename.endswith(".py")]
    return {path.parts[0] if len(path.parts) > 1 else path.stem for path in paths}


def _make_way(modules: frozenset[str]) -> None:
    """Refuses names of installed modules; forgets what a working folder gave under the others."""
    for name in sorted(modules):
        if name == "ringfence" or name in sys.stdlib_module_names or _installed(name):
            raise InvalidTask(
                f"the code package's module {name!r} has the name of an installed one", remedy="rename the file"
            )
        for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[loaded]


def _installed(name: str) -> bool:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return name in sys.builtin_module_names or name == "__main__"
    places = [spec.origin or "", *(spec.submodule_search_locations or [])] if spec else []
    return any("site-packages" in place for place in places)


def _forget(modules: frozenset[str], *, keep: str) -> None:
    """Drops the modules of other packages that share a name with this one's."""
    for digest, folder in list(_folders.items()):
        if digest == keep:
            continue
        theirs = {name for name, module in sys.modules.items() if _lies_in(module, folder.name)}
        present = {path.stem for path in Path(folder.name).iterdir()}
        if present & modules:
            for name in theirs:
                del sys.modules[name]
            sys.path[:] = [entry for entry in sys.path if entry != folder.name]
            sys.path_importer_cache.pop(folder.name, None)
            _folders.pop(digest).cleanup()


def _lies_in(module: object, folder: str) -> bool:
    return str(getattr(module, "__file__", "") or "").startswith(folder)
