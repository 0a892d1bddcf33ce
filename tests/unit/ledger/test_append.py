"""Appending under every reply a store can give."""

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import (
    OWNER,
    SILO,
    WRITER,
    BucketStore,
    charge_of,
    folder,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence.errors import BudgetExhausted, ConditionalWritesUnsupported, LedgerError, ObjectNotFound, StoreError
from ringfence.privacy.ledger import Ledger, charge, close, objects, reserve
from ringfence.store import FolderStore


class ScriptedStore(FolderStore):
    """A folder whose next answers to put_if_absent are scripted; afterwards it is honest."""

    def script(self, *replies):
        object.__setattr__(self, "replies", list(replies))
        return self

    def put_if_absent(self, key, data):
        replies = getattr(self, "replies", [])
        if key == "ledger/0" or not replies:
            return super().put_if_absent(key, data)
        return replies.pop(0)(lambda: super(ScriptedStore, self).put_if_absent(key, data))


def lost_reply(put):
    put()
    raise StoreError("connection reset")


def lost_request(_put):
    raise StoreError("timed out")


def conflict(_put):
    return False


def said_taken(put):
    put()
    return False


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(objects, "_PAUSE", 0)


@pytest.fixture
def ledger(tmp_path):
    first = new_ledger(folder(tmp_path))
    reserve(first, WRITER, reserve_of(rounds=5))
    first.store = ScriptedStore(first.store.url, tmp_path)
    return reopen(first)


@pytest.mark.parametrize(
    "replies",
    [
        [lost_reply],
        [said_taken],
        [lost_request],
        [conflict],
        [conflict, conflict, lost_request, lost_reply],
        [lost_request, said_taken],
    ],
)
def test_one_charge_lands_once_whatever_the_replies(ledger, replies):
    ledger.store.script(*replies)
    assert charge(ledger, SILO, charge_of()) is True
    assert ledger.view.head.index == 5
    assert reopen(ledger).view == ledger.view


def test_a_place_that_stays_empty_is_never_left(ledger):
    ledger.store.script(*[lost_request] * 8)
    with pytest.raises(StoreError) as caught:
        charge(ledger, SILO, charge_of())
    assert str(caught.value) == (
        "s3://mercy/readmissions/ledger/5: cannot tell whether this entry was written (timed out); "
        "try again: an entry that landed is found, never repeated"
    )
    assert [found.key for found in ledger.store.list("ledger")][-1] == "ledger/4"


def test_a_lost_put_that_arrives_late_is_found_by_the_next_try(ledger):
    late = []

    def swallow(put):
        late.append(put)
        raise StoreError("timed out")

    ledger.store.script(*[swallow] * 8)
    with pytest.raises(StoreError):
        charge(ledger, SILO, charge_of())

    def arrives_just_before(put):
        assert late[0]() is True
        return put()

    ledger.store.script(arrives_just_before)
    assert charge(ledger, SILO, charge_of()) is False
    assert reopen(ledger).view.head.index == 5


def test_a_lost_put_that_arrives_after_the_retry_changes_nothing(ledger):
    late = []

    def swallow(put):
        late.append(put)
        raise StoreError("timed out")

    ledger.store.script(swallow)
    assert charge(ledger, SILO, charge_of()) is True
    assert late[0]() is False
    assert reopen(ledger).view.head.index == 5


def test_another_entry_in_the_place_is_applied_and_ours_validated_again(ledger):
    def close_first(put):
        close(reopen(ledger), WRITER, job="job-1", silo="mercy", reason="deadline")
        return put()

    ledger.store.script(close_first)
    with pytest.raises(LedgerError, match="holds no open reservation"):
        charge(ledger, SILO, charge_of())
    assert reopen(ledger).view.charged == {}


def test_a_race_for_the_last_of_the_budget_has_one_winner(ledger):
    def reserve_first(put):
        reserve(reopen(ledger), OWNER, reserve_of("job-2", unit=100_000, rounds=8))
        return put()

    ledger.store.script(reserve_first)
    with pytest.raises(BudgetExhausted, match="held in part by name-of-job-1, name-of-job-2"):
        reserve(ledger, WRITER, reserve_of("job-3", unit=100_000, rounds=8))


def test_a_race_without_conflict_appends_both(ledger):
    def other(put):
        reserve(reopen(ledger), OWNER, reserve_of("job-2"))
        return put()

    ledger.store.script(other)
    assert charge(ledger, SILO, charge_of()) is True
    view = reopen(ledger).view
    assert view.head.index == 6
    assert [held.reserve.job for held in view.open_reservations()] == ["job-1", "job-2"]


def test_a_gap_that_is_filled_while_it_is_looked_at_is_no_fork():
    """The place after the head is seen empty; then another process fills it and the next, which we see."""
    other = new_ledger(BucketStore())
    reserve(other, WRITER, reserve_of(rounds=5))
    filled = threading.Event()

    class Filling(BucketStore):
        def original(self, key):
            if key == "ledger/5" and not filled.is_set():
                for number in (1, 2):
                    charge(other, SILO, charge_of(number=number))
                filled.set()
                raise ObjectNotFound("no such object", where=key)
            if key == "ledger/6":
                assert filled.wait(10)
            return super().original(key)

    mine = Filling()
    mine.history = other.store.history
    view = Ledger.open(mine, pin=other.entry0).view
    assert view == other.view
    assert view.head.index == 6


def test_the_same_charge_by_two_processes_lands_once(ledger):
    def twin(put):
        assert charge(reopen(ledger), SILO, charge_of()) is True
        return put()

    ledger.store.script(twin)
    assert charge(ledger, SILO, charge_of()) is False
    assert reopen(ledger).view.head.index == 5


class OverwritingStore(FolderStore):
    """A gateway that takes the condition and ignores it."""

    def put_if_absent(self, key, data):
        self.put(key, data)
        return True


def test_a_ledger_copied_to_a_store_that_overwrites_is_not_spent_from(ledger, tmp_path):
    ledger.store = OverwritingStore("file:///gateway", tmp_path)
    before = [ledger.store.get(found.key) for found in ledger.store.list()]
    with pytest.raises(
        ConditionalWritesUnsupported, match="file:///gateway: the store creates an object that is there"
    ):
        charge(reopen(ledger), SILO, charge_of())
    assert [ledger.store.get(found.key) for found in ledger.store.list()] == before
