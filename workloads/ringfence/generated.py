"""Files that are made from code and committed: written into a folder, or compared with what is there."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def main(files: Mapping[str, str], arguments: Sequence[str]) -> int:
    """`[--check] DIR`: writes `files` (path below DIR -> text), or with --check names those that differ.

    0: written, or current; 1: some are missing, not current or not ours; 2: wrong call.
    """
    folders = [argument for argument in arguments if argument != "--check"]
    if len(folders) != 1 or folders[0].startswith("-"):
        sys.stderr.write("usage: [--check] DIR\n")
        return 2
    folder = Path(folders[0])
    if "--check" not in arguments:
        write(files, folder)
        return 0
    differing = differences(files, folder)
    if differing:
        sys.stderr.write(f"not current in {folder}: {', '.join(differing)}; write them again with `make generated`\n")
    return 1 if differing else 0


def write(files: Mapping[str, str], folder: Path) -> None:
    """All of them; what else is in the folder stays."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def differences(files: Mapping[str, str], folder: Path) -> list[str]:
    """Paths below `folder` that are missing, not current, or none of `files`."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    stale = [name for name, text in files.items() if name not in found or found[name].read_bytes() != text.encode()]
    return sorted(stale + [name for name in found if name not in files])
