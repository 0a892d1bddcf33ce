"""A ledger in a MinIO bucket under lock: raced for by processes, overwritten, deleted, and none of it changes it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error
from minio.objectlockconfig import DAYS, ObjectLockConfig
from support.minio_server import running

SAMPLES = Path(__file__).parents[1] / "unit" / "ledger"
sys.path.insert(0, str(SAMPLES))

from ledger_checker import check  # noqa: E402
from ledger_samples import SILO, WRITER, charge_of, new_ledger, reopen, reserve_of  # noqa: E402

from ringfence.privacy.ledger import charge, objects, reserve, snapshots, verify  # noqa: E402
from ringfence.store import Stores  # noqa: E402

RACER = """
import sys
sys.path.insert(0, sys.argv[1])
from ledger_samples import SILO, WRITER, charge_of, reserve_of
from ringfence.errors import BudgetExhausted
from ringfence.privacy.ledger import Ledger, charge, close, reserve, snapshots
from ringfence.store import Stores

snapshots.INTERVAL = 20
me, url, pin = sys.argv[2:5]
ledger = Ledger.open(Stores().open(url), pin=pin)
sys.stdin.readline()
for number in range(10):
    job = f"job-{me}-{number}"
    try:
        reserve(ledger, WRITER, reserve_of(job, rounds=2, unit=40_000))
    except BudgetExhausted:
        continue
    charge(ledger, SILO, charge_of(job, 1, unit=40_000))
    close(ledger, WRITER, job=job, silo="mercy", reason="done")
"""


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The client of the bucket's administrator; the bucket is versioned, each object locked for a day."""
    with running(tmp_path / "minio") as server:
        for name, value in server.variables().items():
            monkeypatch.setenv(name, value)
        client = server.client()
        client.make_bucket(bucket_name="ledgers", object_lock=True)
        client.set_object_lock_config(bucket_name="ledgers", config=ObjectLockConfig(COMPLIANCE, 1, DAYS))
        yield client


@pytest.mark.local
def test_a_locked_bucket_keeps_every_entry_whatever_is_done_to_it(bucket):
    ledger = new_ledger(Stores().open("s3://ledgers/mercy"))
    reserve(ledger, WRITER, reserve_of(rounds=4))
    charge(ledger, SILO, charge_of(number=1))
    before = ledger.view
    ledger.store.put("ledger/5", b"somebody else's bytes")
    ledger.store.delete("ledger/4")
    with pytest.raises(S3Error, match=r"WORM|locked|AccessDenied"):
        version = ledger.store.versions("ledger/5")[0].version_id
        bucket.remove_object(bucket_name="ledgers", object_name="mercy/ledger/5", version_id=version)
    assert reopen(ledger).view == before
    found = verify(ledger.store, ledger.entry0)
    assert (found.valid, found.view) == (True, before)
    assert [(one.where.rpartition("/")[2], one.version.deleted) for one in found.evidence] == [
        ("4", True),
        ("5", False),
    ]
    assert all(one.version.when for one in found.evidence)
    for number in (2, 3, 4):
        assert charge(reopen(ledger), SILO, charge_of(number=number)) is True
    ledger.store.delete("ledger/8")
    assert ledger.refresh().head.index == 8, "a delete marker on the last entry is no end"


@pytest.mark.local
def test_four_processes_race_on_a_real_store(bucket):
    url = "s3://ledgers/race"
    ledger = new_ledger(Stores().open(url))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, SAMPLES, str(me), url, ledger.entry0], stdin=subprocess.PIPE, text=True
        )
        for me in range(4)
    ]
    for racer in racers:
        racer.communicate("go\n", timeout=timedelta(minutes=3).total_seconds())
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    indices, strangers = objects.listed(ledger.store)
    found = check({index: ledger.store.original(objects.place(index)).data for index in indices})
    view = reopen(ledger, whole=True).view
    assert list(view.spent("s1")) == found["spent"]["s1"]
    assert not any(found["held"]["s1"])
    assert (strangers, len(view.snapshots) > 2) == ([], True)
    assert view.remaining_epsilon() < 1, "the race was for too little"
    assert snapshots.INTERVAL == 256
