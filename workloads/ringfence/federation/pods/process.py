"""How a process of a pod begins and ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from ringfence.federation.outcome import Outcome
from ringfence.federation.pods.mounts import Mounts


def main(run: Callable[[Mounts], Outcome]) -> None:
    """Run, leave the outcome for the operator and exit by it. The one argument there may be is another root.

    A pod that is being deleted gets SIGTERM: it leaves at once and says nothing, since nobody counts it.
    """
    mounts = Mounts(*map(Path, sys.argv[1:2]))
    signal.signal(signal.SIGTERM, _leave)
    try:
        outcome = run(mounts)
    except Exception as error:
        outcome = Outcome.of(error)
    if outcome.error:
        print(f"{outcome.error}: {outcome.message}", file=sys.stderr)  # noqa: T201
    sys.exit(mounts.leave(outcome))


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
