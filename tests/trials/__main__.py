"""`make trials`: runs trials on all cores and prints what happened in them, and the counts that must be 0."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time

from trials import campaign
from trials.breaks import BREAKS

_SHOWN = 5


def main() -> int:
    """Exit status 0 when nothing failed (with --broken and no --seed: when the break was found)."""
    parser = argparse.ArgumentParser(prog="python -m trials", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**9), help="seed of the first")
    parser.add_argument("--seed", type=int, help="play this one trial again and print all its steps")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--no-minio", action="store_true", help="all trials on folders")
    parser.add_argument("--broken", default="", choices=("", *BREAKS), help="break a rule on purpose")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and folders are gone
    if given.seed is not None:
        return _replay(given.seed, not given.no_minio, given.broken)
    if given.broken:
        found = campaign.search(given.broken, given.trials, given.first)
        print(
            f"{given.broken}: {'not found' if found is None else f'found in trial {found}'} (from seed {given.first})"
        )
        return 1 if found is None else 0
    begun, seeds = time.monotonic(), range(given.first, given.first + given.trials)
    summary = campaign.run(seeds, given.workers, not given.no_minio)
    print(summary.table())
    print(f"seeds {seeds[0]} to {seeds[-1]}, {time.monotonic() - begun:.0f} s")
    for seed in summary.failed[:_SHOWN]:
        print(f"play it again: make trials SEED={seed}")
    return 1 if summary.failed else 0


def _replay(seed: int, minio: bool, broken: str) -> int:
    scenario, result = campaign.replay(seed, minio, broken)
    print(scenario, *result.schedule, *map(json.dumps, result.journal), sep="\n")
    for kind, words in result.failures:
        print(f"{kind}: {words}")
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
