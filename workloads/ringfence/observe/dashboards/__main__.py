"""`python -m ringfence.observe.dashboards DIR` writes the dashboards; with `--check` it fails where they differ."""

from __future__ import annotations

import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ringfence import generated
from ringfence.observe.dashboards import controller, federation, privacy, throughput

_ALL = {"privacy": privacy, "federation": federation, "throughput": throughput, "operator": controller}


def render() -> dict[str, str]:
    """File name -> JSON of every dashboard."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{name}.json": encoder.encode(module.build().build()) + "\n" for name, module in _ALL.items()}


if __name__ == "__main__":
    sys.exit(generated.main(render(), sys.argv[1:]))
