"""Opening a long ledger at a snapshot: quick, and never on somebody's mere word."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import (
    OWNER,
    SECOND,
    SILO,
    STRANGER,
    WRITER,
    BucketStore,
    Memory,
    charge_of,
    cost,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence import canonical
from ringfence.errors import LedgerError, LedgerForked, LedgerRolledBack, LedgerTampered
from ringfence.privacy.ledger import (
    Head,
    Ledger,
    add_writer,
    charge,
    close,
    objects,
    reservations,
    reserve,
    snapshot,
    snapshots,
    story,
    verify,
)
from ringfence.privacy.ledger.envelope import new_id, read, write
from ringfence.privacy.ledger.states import BlockState, PastState, ShareState, restore
from ringfence.privacy.orders import scale
from ringfence.signing import public_name

ONES = " ".join(["1"] * 16)


@pytest.fixture
def ledger():
    """Twenty rounds of one job, charged, on a versioned bucket in memory."""
    ledger = new_ledger(BucketStore())
    reserve(ledger, WRITER, reserve_of(rounds=20, unit=1))
    for number in range(1, 21):
        charge(ledger, SILO, charge_of(number=number, unit=1))
    return ledger


def read_by(ledger, **options):
    """The view of a fresh reader, and which entries it read up to the head."""
    ledger.store.reads = []
    view = reopen(ledger, **options).view
    numbers = {key.partition("/")[2] for key in ledger.store.reads} - {"hint"}
    return view, sorted(int(number) for number in numbers if int(number) <= view.head.index)


def whole(ledger):
    return reopen(ledger, whole=True).view


def test_a_reader_begins_at_a_snapshot_of_the_owner(ledger):
    at = snapshot(ledger, OWNER).index
    reserve(ledger, WRITER, reserve_of("job-2", rounds=1, unit=1))
    view, read_entries = read_by(ledger)
    assert read_entries == [0, at, at + 1]
    assert view == whole(ledger) == ledger.view
    assert view.snapshots == (at,)


def test_the_newest_believable_snapshot_is_taken(ledger):
    first = snapshot(ledger, OWNER).index
    second = snapshot(ledger, WRITER).index
    third = snapshot(ledger, WRITER).index
    view, read_entries = read_by(ledger)
    assert read_entries == [0, first, second, third]
    assert view == whole(ledger)
    memory = Memory(Head(second, canonical.digest(ledger.store.get(f"ledger/{second}"))))
    view, read_entries = read_by(ledger, witness=memory)
    assert read_entries == [0, second, third]
    assert (view, memory.head.index) == (whole(ledger), third)


def test_a_writers_snapshot_is_computed_again_by_who_has_no_memory(ledger):
    snapshot(ledger, WRITER)
    _, read_entries = read_by(ledger)
    assert read_entries == list(range(26))


def test_only_the_owner_and_writers_take_snapshots(ledger):
    with pytest.raises(LedgerError, match="is neither the owner nor a writer"):
        snapshot(ledger, STRANGER)
    with pytest.raises(LedgerError, match="the snapshot says something else than the entries before it"):
        ledger.append(replace(snapshots.taken(ledger.view), newest_manifest=7), OWNER)


def forgotten(ledger, key):
    """A snapshot at the end, signed by `key`, in which nothing was ever spent; the hint leads there."""
    view, index = ledger.view, ledger.view.head.index + 1
    nothing = {name: replace(block, spent=(0,) * 16) for name, block in view.blocks.items()}
    body = snapshots.taken(replace(view, blocks=nothing))
    data = write(body, key, index=index, previous=view.head.hash, entry_id=new_id())
    ledger.store.put(f"ledger/{index}", data)
    objects.hint(ledger.store, index)
    return Head(index, canonical.digest(data))


@pytest.mark.parametrize("witness", [None, "the head before it", "a later head"])
def test_a_stolen_writers_key_forgets_nothing(ledger, witness):
    before = ledger.view.head
    lie = forgotten(ledger, WRITER)
    memory = {"the head before it": Memory(before), "a later head": Memory(Head(lie.index + 5, before.hash))}.get(
        witness
    )
    expected = LedgerRolledBack if witness == "a later head" else LedgerTampered
    with pytest.raises(expected) as caught:
        reopen(ledger, witness=memory)
    assert f"{lie.index}" in str(caught.value)
    readable = reopen(ledger, witness=memory, for_reading=True)
    assert readable.view.spent("s1") == scale(cost(1), 20), "people see what was verified, not the lie"
    assert isinstance(readable.fault, LedgerTampered)


def test_a_snapshot_in_the_remembered_heads_place_with_other_bytes(ledger):
    memory = Memory(snapshot(ledger, OWNER))
    lie = replace(snapshots.taken(ledger.view), newest_manifest=9)
    data = write(lie, OWNER, index=memory.head.index, previous=ledger.view.head.hash, entry_id=new_id())
    ledger.store.history[f"ledger/{memory.head.index}"] = [data]
    with pytest.raises(LedgerRolledBack, match="entry 25 differs from what was seen before"):
        reopen(ledger, witness=memory)


def test_a_false_snapshot_of_the_owner_does_not_verify(ledger):
    lie = forgotten(ledger, OWNER)
    found = verify(ledger.store, ledger.entry0)
    assert str(found.fault) == (
        f"s3://mercy/readmissions/ledger/{lie.index}: the entry breaks a rule: "
        "the snapshot says something else than the entries before it"
    )
    readable = reopen(ledger, for_reading=True, whole=True)
    readable.pardon(OWNER)
    assert readable.fault is None
    assert readable.view.spent("s1") == scale(cost(1), 20)


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": ()},
        {"members": ()},
        {"limit": None},
        {"members": ("s1", "s2", "s3")},
        {"blocks": (BlockState("s1", (), "1", "1"), BlockState("s2", (), "1", "1"))},
        {"blocks": (BlockState("s1", ("s9",), ONES, ONES), BlockState("s2", (), ONES, ONES))},
        {"blocks": (BlockState("s1", (), ONES, ""), BlockState("s2", (), ONES, ONES))},
        {"shares": (ShareState("research", "", ONES),)},
        {"past": (PastState("job-9", "mercy", (1, 2), "7"),)},
    ],
    ids=["no blocks", "no shards", "no limit", "a shard more", "short", "unknown source", "empty", "share", "past"],
)
def test_a_snapshot_whose_parts_do_not_belong_together_is_no_place_to_begin(ledger, change):
    body = replace(snapshots.taken(ledger.view), **change)
    data = write(body, OWNER, index=25, previous=ledger.view.head.hash, entry_id=new_id())
    ledger.store.put("ledger/25", data)
    objects.hint(ledger.store, 25)
    following = write(charge_of(number=21), SILO, index=26, previous=canonical.digest(data), entry_id=new_id())
    ledger.store.put("ledger/26", following)
    with pytest.raises(LedgerTampered, match=r"ledger/25: the entry breaks a rule: the snapshot says something else"):
        reopen(ledger)


@pytest.mark.parametrize(
    "hint", [b"", b"garbage", b"[1]", b'{"snapshot":-1}', b'{"snapshot":true}', b'{"snapshot":3}', b'{"snapshot":900}']
)
def test_a_hint_that_lies_costs_time_only(ledger, hint):
    snapshot(ledger, OWNER)
    ledger.store.put(objects.HINT, hint)
    view, read_entries = read_by(ledger)
    assert view == ledger.view
    assert read_entries == list(range(26))


def test_a_snapshot_of_another_ledger_is_no_place_to_begin(ledger):
    other = new_ledger(BucketStore())
    at = snapshot(other, OWNER).index
    ledger.store.history[f"ledger/{at}"] = other.store.history[f"ledger/{at}"]
    objects.hint(ledger.store, at)
    with pytest.raises(LedgerTampered, match=f"ledger/{at}: the entry breaks a rule: the entry does not follow"):
        reopen(ledger)


def test_a_snapshot_beyond_a_gap_is_met_through_the_hint(ledger):
    at = snapshot(ledger, WRITER).index
    for index in range(5, at):
        del ledger.store.history[f"ledger/{index}"]
    with pytest.raises(LedgerForked, match=r"ledger/\d+: this entry lies beyond a gap: entry 5 is missing"):
        reopen(ledger)
    assert verify(ledger.store, ledger.entry0).entries == 5


def test_a_fault_after_a_snapshot_is_told_from_the_first_entry_on(ledger):
    at = snapshot(ledger, OWNER).index
    ledger.store.put(f"ledger/{at + 1}", b"garbage")
    readable = reopen(ledger, for_reading=True)
    assert readable.fault.where.endswith(f"ledger/{at + 1}")
    assert [row.index for row in story(readable)] == list(range(at + 1))
    assert story(readable)[-1].what == "sums up the 25 entries before it; 0 jobs are past"


def long_past(ledger):
    """job-1 charges two rounds and closes; two snapshots and another job pass."""
    reserve(ledger, WRITER, reserve_of("job-2", rounds=5, unit=1, manifest_version=4))
    for number in (1, 2):
        charge(ledger, SILO, charge_of("job-2", number, unit=1))
    close(ledger, WRITER, job="job-2", silo="mercy", reason="")
    snapshot(ledger, WRITER)
    assert ledger.view.charged["job-2", "mercy"].keys() == {1, 2}, "one snapshot forgets nothing yet"
    snapshot(ledger, OWNER)


def test_a_snapshot_forgets_digests_of_old_jobs_and_nothing_else(ledger):
    spent, shares = ledger.view.spent("s1"), scale(cost(1), 22)
    long_past(ledger)
    view = reopen(ledger).view
    assert view == whole(ledger)
    assert ("job-2", "mercy") not in view.charged
    assert ("job-2", "mercy") not in view.reservations
    assert view.charged_rounds("job-2", "mercy") == {1, 2}
    assert view.spent_of("job-2", "mercy") == scale(cost(1), 2)
    assert view.spent("s1") == tuple(map(sum, zip(spent, scale(cost(1), 2), strict=True)))
    assert (view.spent_by("research"), view.reserved_by("research")) == (shares, scale(cost(1), 0))
    assert view.newest_manifest == 4
    assert len(view.charged["job-1", "mercy"]) == 20, "an open reservation keeps all its digests"
    assert [held.reserve.job for held in view.every_reservation()] == ["job-1"]
    assert [body.job for body in reservations(ledger)] == ["job-1", "job-2"], "who reads all entries finds it"


def test_a_round_charged_long_ago_is_never_reserved_or_charged_again(ledger):
    long_past(ledger)
    late = reopen(ledger)
    for again in (range(1, 3), range(2, 4)):
        with pytest.raises(LedgerError, match=f"round {again[0]} of job job-2 is charged already"):
            reserve(late, WRITER, reserve_of("job-2", first=again[0], rounds=2, unit=1))
    with pytest.raises(LedgerError, match="job job-2 holds no open reservation for silo mercy"):
        charge(late, SILO, charge_of("job-2", 1, unit=1))
    head = late.view.head
    close(late, WRITER, job="job-2", silo="mercy", reason="said again")
    assert late.view.head == head
    reserve(late, WRITER, reserve_of("job-2", first=3, rounds=2, unit=1))
    charge(late, SILO, charge_of("job-2", 3, unit=1))
    close(late, WRITER, job="job-2", silo="mercy", reason="")
    for _ in range(2):
        snapshot(late, OWNER)
    assert late.view.past["job-2", "mercy"].rounds == ((1, 3),)
    assert late.view.spent_of("job-2", "mercy") == scale(cost(1), 3)


def test_reserving_and_closing_keep_a_ledger_short(ledger, monkeypatch):
    monkeypatch.setattr(snapshots, "INTERVAL", 10)
    reserve(ledger, WRITER, reserve_of("job-2", rounds=1, unit=1))
    assert ledger.view.snapshots == (25,)
    for number in range(3, 9):
        reserve(ledger, WRITER, reserve_of(f"job-{number}", rounds=1, unit=1))
        close(ledger, WRITER, job=f"job-{number}", silo="mercy", reason="")
    assert ledger.view.snapshots == (25, 37)
    assert objects.hinted(ledger.store) == 37
    assert whole(ledger) == reopen(ledger, witness=Memory(ledger.view.head)).view


def test_many_past_jobs_make_snapshots_rarer(ledger):
    past = {(f"job-{n}", "mercy"): None for n in range(160)}
    view = replace(ledger.view, snapshots=(10,), past=past)
    due = [snapshots.is_due(replace(view, head=Head(n, ""))) for n in (10, 266, 275, 276)]
    assert due == [False, False, False, True]


def test_housekeeping_that_fails_hinders_nobody(ledger, monkeypatch):
    monkeypatch.setattr(snapshots, "INTERVAL", 10)
    add_writer(ledger, OWNER, public_name(SECOND), "another")
    monkeypatch.setattr(snapshots, "taken", lambda view: replace(snapshots.capture(view), newest_manifest=9))
    reserve(ledger, SECOND, reserve_of("job-2", rounds=1, unit=1))
    assert ledger.view.snapshots == ()
    assert ledger.view.reservations["job-2", "mercy"].open


def test_sums_beyond_53_bits_survive(ledger):
    huge = {name: replace(block, spent=(10**20,) * 16) for name, block in ledger.view.blocks.items()}
    body = snapshots.capture(replace(ledger.view, blocks=huge))
    entry = read(write(body, OWNER, index=5, previous=ledger.entry0, entry_id=new_id()), where="")
    assert entry.body == body
    first = Ledger.open(ledger.store, pin=ledger.entry0).view
    assert restore(first, entry.body, Head(5, "")).blocks == huge
