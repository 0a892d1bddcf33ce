"""Four real processes race for one budget on a folder: never overspent, nothing lost, nothing charged twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "unit" / "ledger"
sys.path.insert(0, str(SAMPLES))

from ledger_checker import check  # noqa: E402
from ledger_samples import folder, new_ledger, reopen  # noqa: E402

RACER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ledger_samples import SILO, WRITER, charge_of, folder, reserve_of
from ringfence.errors import BudgetExhausted
from ringfence.privacy.ledger import Ledger, charge, close, reserve

me, root, pin = sys.argv[2:5]
ledger = Ledger.open(folder(Path(root)), pin=pin)
sys.stdin.readline()
admitted = 0
for number in range(12):
    job = f"job-{me}-{number}"
    try:
        reserve(ledger, WRITER, reserve_of(job, rounds=2, unit=40_000))
    except BudgetExhausted:
        continue
    admitted += 1
    charge(ledger, SILO, charge_of(job, 1, unit=40_000))
    close(ledger, WRITER, job=job, silo="mercy", reason="done")
print(admitted)
"""


@pytest.mark.local
def test_four_processes_never_overspend_one_ledger(tmp_path):
    ledger = new_ledger(folder(tmp_path))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, SAMPLES, str(me), tmp_path, ledger.entry0],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(4)
    ]
    outputs = [racer.communicate("go\n", timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    entries = {int(path.name): path.read_bytes() for path in (tmp_path / "ledger").iterdir()}
    found = check(entries)
    view = reopen(ledger).view
    assert list(view.spent("s1")) == found["spent"]["s1"]
    assert not any(found["held"]["s1"])
    assert len(found["charges"]) == sum(int(text) for text in outputs) > 10
    assert len({json.loads(data)["key"] for data in entries.values()}) == 3
    assert view.remaining_epsilon() < 1, "the race was for too little"
