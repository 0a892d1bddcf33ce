"""A silo's way out, under replies that tell little: what was charged is released, or nothing is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_samples import SILO, WRITER, folder, new_ledger, reopen, reserve_of

from ringfence import canonical
from ringfence.errors import LedgerError, StoreError
from ringfence.federation import once
from ringfence.federation.release import Release
from ringfence.privacy.ledger import close, reserve, snapshots
from ringfence.shards.keys import Kek
from ringfence.store import FolderStore

UPDATE, ABSENT = "rounds/1/updates/mercy", "rounds/1/absent/mercy"


class BusyStore(FolderStore):
    """Answers the first `refusals` creates with a conflict in which nothing landed."""

    refusals = 0

    def put_if_absent(self, key, data):
        if BusyStore.refusals:
            BusyStore.refusals -= 1
            return False
        return super().put_if_absent(key, data)


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "_PAUSE", 0)
    ledger = new_ledger(folder(tmp_path / "dataset"))
    reserve(ledger, WRITER, reserve_of(rounds=2))
    job = BusyStore("file:///job", tmp_path / "job")
    return Release("job-1", "mercy", SILO, Kek(bytes(32)), folder(tmp_path / "dataset"), job, reopen(ledger))


def test_a_conflict_in_which_nothing_landed_does_not_lose_the_update(out, monkeypatch):
    monkeypatch.setattr(BusyStore, "refusals", 3)
    assert out.once(1, lambda: b"update") is True
    out.clear(1)
    assert out.job.get(UPDATE) == b"update"


def test_a_store_that_keeps_refusing_leaves_the_staged_bytes_for_the_next_process(out, monkeypatch):
    monkeypatch.setattr(BusyStore, "refusals", 8)
    with pytest.raises(StoreError) as caught:
        out.once(1, lambda: b"update")
    assert str(caught.value) == (
        f"file:///job/{UPDATE}: the store refuses to create this object, and there is none; "
        "try again when the store is less busy"
    )
    assert out.once(1, lambda: b"never computed again") is True
    assert out.job.get(UPDATE) == b"update"


def test_a_conflict_does_not_lose_the_word_on_an_absence(out, monkeypatch):
    monkeypatch.setattr(BusyStore, "refusals", 99)
    with pytest.raises(StoreError):
        out.once(1, lambda: b"update")
    monkeypatch.setattr(BusyStore, "refusals", 2)
    out.clear(1)
    assert out.once(1, lambda: b"never computed again") is False
    assert out.job.exists(ABSENT)
    assert not out.job.exists(UPDATE)


def test_nothing_is_released_for_a_round_that_cannot_be_charged(out):
    close(out.ledger, WRITER, job="job-1", silo="mercy", reason="over")
    with pytest.raises(LedgerError, match="holds no open reservation"):
        out.once(1, lambda: b"update")
    assert not out.job.list()


def test_a_job_that_the_ledger_has_forgotten_is_told_so_and_releases_nothing(out, monkeypatch):
    monkeypatch.setattr(snapshots, "INTERVAL", 1)
    for job in ("job-1", "job-2", "job-3"):
        reserve(out.ledger, WRITER, reserve_of(job, rounds=2))
        close(out.ledger, WRITER, job=job, silo="mercy", reason="over")
    with pytest.raises(LedgerError, match="job job-1 holds no reservation"):
        out.once(1, lambda: b"update")
    assert not out.job.list()


def test_of_two_processes_the_one_that_charged_first_decides_what_is_released(out):
    def other_is_quicker():
        twin = Release(out.uid, out.silo, out.key, out.kek, out.dataset, out.job, reopen(out.ledger))
        twin._stage(1, b"the twin's")
        twin._charge(1, canonical.digest(b"the twin's"))
        return b"ours"

    assert out.once(1, other_is_quicker) is True
    assert out.job.get(UPDATE) == b"the twin's"
