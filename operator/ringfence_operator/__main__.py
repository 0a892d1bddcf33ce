"""`python -m ringfence_operator`: the operator, configured by RINGFENCE_* variables (docs/operations.md lists them)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from ringfence.errors import RingfenceError
from ringfence_operator.controller.running import main
from ringfence_operator.settings import from_environment


def run() -> int:
    """0 after an orderly stop; 2 for settings or keys that a restart would not mend."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        asyncio.run(main(from_environment(os.environ)))
    except RingfenceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
