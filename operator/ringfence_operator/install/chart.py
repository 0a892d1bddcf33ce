"""What the Helm chart takes from the code: the CRDs and the rules of every role, as files that its templates include.

`python -m ringfence_operator.install.chart DIR` writes them; with `--check` it fails where they differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from ringfence.spec import crds
from ringfence_operator.install import people, roles

_ROLES = {
    "own": roles.OWN,
    "watches": roles.WATCHES,
    "cluster": roles.CLUSTER,
    "scanning": roles.SCANNING,
    "silo": roles.SILO,
    "job": roles.JOB,
    "view": roles.VIEW,
    "owner": people.OWNER,
    "engineer": people.ENGINEER,
}


def render() -> dict[str, str]:
    """Path under the chart's `files/` -> text."""
    rules = {f"roles/{name}.yaml": yaml.safe_dump(found, sort_keys=False) for name, found in _ROLES.items()}
    return rules | {f"crds/{name}": text for name, text in crds.render().items()}


def main(arguments: list[str]) -> int:
    """0 when written, or when they are current; 1 with the names of those that differ."""
    folder, check = Path(next(one for one in arguments if one != "--check")), "--check" in arguments
    differing = []
    for name, text in render().items():
        path = folder / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            differing.append(name)
    if differing:
        sys.stderr.write(f"not current in {folder}: {', '.join(differing)}; write them again with `make generated`\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
