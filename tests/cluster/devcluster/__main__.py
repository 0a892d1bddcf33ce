"""The command line: `python -m cluster.devcluster up | down | build | status` (see the Makefile)."""

from __future__ import annotations

import sys

from cluster.devcluster import binaries, lifecycle, requirements
from cluster.devcluster.places import KUBECONFIG, LOGS, STORE
from cluster.images import built


def up() -> None:
    """A cluster with Ringfence's images in it."""
    requirements.install()
    lifecycle.up()
    built.import_all()
    status()


def status() -> None:
    """Where it is, and how to reach it."""
    if not lifecycle.running():
        raise SystemExit("no cluster is running: make cluster-up")
    print(f"store  {STORE}\nlogs   {LOGS}\nexport KUBECONFIG={KUBECONFIG}")


COMMANDS = {"up": up, "down": lifecycle.down, "build": binaries.build, "status": status}


def main() -> None:
    """Run one command."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        raise SystemExit(f"usage: python -m cluster.devcluster {' | '.join(COMMANDS)}")
    COMMANDS[sys.argv[1]]()


if __name__ == "__main__":
    main()
