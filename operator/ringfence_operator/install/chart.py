"""What the Helm chart takes from the code: the CRDs and the rules of every role, as files that its templates include.

`python -m ringfence_operator.install.chart DIR` writes them; with `--check` it fails where they differ.
"""

from __future__ import annotations

import sys

import yaml

from ringfence import generated
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


if __name__ == "__main__":
    sys.exit(generated.main(render(), sys.argv[1:]))
