"""The trials themselves, a few hundred of them; and that they would find what they look for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from trials.breaks import BREAKS
from trials.checker import COUNTS

TRIALS = 300
STEP = re.compile(r"^[a-z0-9-]+\.\d+ .*: [a-z-]+$")


def trials(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m trials ARGUMENTS`, in a process of its own: it forks, and this one may have threads."""
    tests = Path(__file__).parents[1]
    given = {**os.environ, "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "trials", *map(str, arguments)]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=500, check=False)


def test_no_trial_fails():
    done = trials("--trials", TRIALS)
    assert done.returncode == 0, done.stdout + done.stderr
    for count in COUNTS:
        assert re.search(rf"^trials with: {count} +0$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(rf"^trials +{TRIALS}$", done.stdout, re.MULTILINE)
    assert int(re.search(r"^processes killed +([\d,]+)$", done.stdout, re.MULTILINE)[1].replace(",", "")) > TRIALS


@pytest.mark.parametrize("broken", BREAKS)
def test_a_break_is_found_within_200_trials(broken):
    done = trials("--broken", broken, "--trials", 200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{broken}: found in trial \d+ ", done.stdout)


def test_a_stepped_trial_is_played_again_step_by_step():
    first, second = (trials("--seed", 3, "--no-minio", "--broken", "release-first") for _ in range(2))
    schedules = [[line for line in run.stdout.splitlines() if STEP.match(line)] for run in (first, second)]
    assert len(schedules[0]) > 30
    assert [without_digests(line) for line in schedules[0]] == [without_digests(line) for line in schedules[1]]
    assert first.returncode == second.returncode == 1, "and it fails again"


def without_digests(line: str) -> str:
    return re.sub(r"[0-9a-f]{32,}", "", line)
