"""Full checks: versions put over entries, delete markers, gaps, pardons, names that are no entries."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import (
    OWNER,
    SILO,
    WRITER,
    BucketStore,
    Memory,
    charge_of,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence import canonical
from ringfence.errors import LedgerError, LedgerForked, LedgerMissing, LedgerRolledBack, LedgerTampered
from ringfence.privacy.ledger import Head, charge, objects, reserve, snapshot, verify
from ringfence.privacy.ledger.envelope import new_id, write


@pytest.fixture
def ledger():
    """A reservation (4), two charges (5, 6) and a snapshot (7) in a versioned bucket."""
    ledger = new_ledger(BucketStore())
    reserve(ledger, WRITER, reserve_of(rounds=5))
    charge(ledger, SILO, charge_of(number=1))
    charge(ledger, SILO, charge_of(number=2))
    snapshot(ledger, WRITER)
    return ledger


def verified(ledger, **options):
    return verify(ledger.store, ledger.entry0, **options)


def test_a_whole_ledger_verifies(ledger):
    found = verified(ledger, witness=Memory(ledger.view.head))
    assert (found.valid, found.entries, found.snapshots) == (True, 8, 1)
    assert (found.evidence, found.strangers, found.pardoned) == ((), (), ())
    assert found.view == ledger.view


def test_nothing_to_verify_is_said_so(ledger):
    with pytest.raises(LedgerMissing, match="the ledger that the manifest pins is not there"):
        verify(BucketStore(), ledger.entry0)
    with pytest.raises(LedgerMissing, match="not the ledger that the manifest pins"):
        verify(ledger.store, "sha256:" + "0" * 64)


def test_bytes_put_over_an_entry_change_nothing_and_are_told(ledger):
    ledger.store.put("ledger/5", b"other bytes")
    found = verified(ledger)
    assert found.valid
    assert found.view == ledger.view
    assert list(map(str, found.evidence)) == [
        "s3://mercy/readmissions/ledger/5: somebody put other bytes over this entry at 2026-05-03T10:00:01, as ann "
        "(version v1); the first version still counts"
    ]
    assert charge(reopen(ledger), SILO, charge_of(number=3)) is True


def test_a_writer_cannot_replace_its_own_last_entry(ledger):
    reserve(ledger, WRITER, reserve_of("job-2", rounds=3))
    cheaper = reserve_of("job-2", rounds=3, unit=1)
    previous = ledger.store.history["ledger/7"][0]
    forged = write(cheaper, WRITER, index=8, previous=canonical.digest(previous), entry_id=new_id())
    ledger.store.put("ledger/8", forged)
    assert reopen(ledger).view == ledger.view


@pytest.mark.parametrize("index", [0, 4, 7])
def test_a_deleted_entry_is_no_gap(ledger, index):
    ledger.store.delete(f"ledger/{index}")
    assert ledger.store.newest(f"ledger/{index}") is None
    found = verified(ledger)
    assert found.valid
    assert found.view == ledger.view
    assert [str(one).partition(" (")[0] for one in found.evidence] == [
        f"s3://mercy/readmissions/ledger/{index}: somebody deleted this entry at 2026-05-03T10:00:01, as ann"
    ]


def test_an_entry_behind_a_delete_marker_is_never_taken_for_a_free_place(ledger):
    """Between our look and our put, another's entry lands and is deleted: our create succeeds, and is not the entry."""

    class Deleting(BucketStore):
        def put_if_absent(self, key, data):
            if key == "ledger/8" and key not in self.history:
                other = charge_of(number=3, bytes_="another process's")
                self.put(key, write(other, SILO, index=8, previous=ledger.view.head.hash, entry_id=new_id()))
                self.delete(key)
            return super().put_if_absent(key, data)

    racing = Deleting()
    racing.history = ledger.store.history
    mine = type(ledger).open(racing, pin=ledger.entry0)
    with pytest.raises(LedgerError, match="round 3 of job job-1 is charged already, for other bytes"):
        charge(mine, SILO, charge_of(number=3))
    assert len(racing.history["ledger/8"]) == 3, "the create succeeded"


def test_the_first_fault_is_named_and_what_holds_before_it_is_told(ledger):
    ledger.store.history["ledger/5"] = [b"garbage"]
    found = verified(ledger)
    assert (found.valid, found.entries) == (False, 5)
    assert isinstance(found.fault, LedgerTampered)
    assert str(found.fault) == "s3://mercy/readmissions/ledger/5: this is not a ledger entry"


@pytest.mark.parametrize("index", [9, 10, 13, 500, 10**12])
def test_an_object_beyond_the_end_is_found_wherever_it_lies(ledger, index):
    ledger.store.put(f"ledger/{index}", b"anything")
    found = verified(ledger)
    assert isinstance(found.fault, LedgerForked)
    assert (
        str(found.fault) == f"s3://mercy/readmissions/ledger/{index}: this entry lies beyond a gap: entry 8 is missing"
    )


def test_appending_sees_what_lies_right_beyond_the_end(ledger):
    ledger.store.put("ledger/10", b"anything")
    with pytest.raises(LedgerForked, match=r"ledger/10: this entry lies beyond a gap"):
        charge(ledger, SILO, charge_of(number=3))


def test_pardons_and_foreign_names_are_told(ledger):
    ledger.store.put("ledger/8", b"garbage")
    reopen(ledger, for_reading=True).pardon(OWNER)
    for name in ("ledger/07", "ledger/x", "ledger/8.bak"):
        ledger.store.put(name, b"x")
    found = verified(ledger)
    assert (found.valid, found.entries, found.pardoned) == (True, 10, ("ledger/8",))
    assert found.strangers == ("ledger/07", "ledger/8.bak", "ledger/x")


def test_a_remembered_head_is_held_against_the_ledger(ledger):
    found = verified(ledger, witness=Memory(Head(12, "sha256:" + "0" * 64)))
    assert isinstance(found.fault, LedgerRolledBack)
    assert str(found.fault) == "s3://mercy/readmissions: the ledger ends at entry 7, and entry 12 was seen before"
    found = verified(ledger, witness=Memory(Head(5, "sha256:" + "0" * 64)))
    assert str(found.fault) == "s3://mercy/readmissions/ledger/5: entry 5 differs from what was seen before"


def test_a_head_that_changes_under_an_open_ledger(ledger):
    ledger.store.history["ledger/7"] = [ledger.store.get("ledger/6")]
    with pytest.raises(LedgerRolledBack, match=r"ledger/7: entry 7 differs from what was read before"):
        charge(ledger, SILO, charge_of(number=3))


def test_appending_lists_nothing_and_reads_a_few_places(ledger):
    writer = reopen(ledger)
    charge(writer, SILO, charge_of(number=3))
    writer.store.list = None
    writer.store.reads = []
    charge(writer, SILO, charge_of(number=4))
    assert len(writer.store.reads) == 6, "the head, the place after it and three beyond it, then our own entry"
    assert writer.view.head.index == 9
    assert objects.HINT not in writer.store.reads
