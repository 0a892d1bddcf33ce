"""`python -m ringfence.observe.dashboards DIR` writes the dashboards; with `--check` it fails where they differ."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ringfence.observe.dashboards import controller, federation, privacy

_ALL = {"privacy": privacy, "federation": federation, "operator": controller}


def render() -> dict[str, str]:
    """File name -> JSON of every dashboard."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{name}.json": encoder.encode(module.build().build()) + "\n" for name, module in _ALL.items()}


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
