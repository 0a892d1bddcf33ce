"""What somebody with access to the bucket might do to a ledger, by name: it closes for spending and stays readable."""

import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import (
    OWNER,
    SILO,
    STRANGER,
    WRITER,
    charge_of,
    cost,
    digest,
    folder,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence import canonical, signing
from ringfence.errors import LedgerError, LedgerForked, LedgerMissing, LedgerRolledBack, LedgerTampered
from ringfence.privacy.ledger import (
    Charge,
    Close,
    FileWitness,
    Ledger,
    Writer,
    add_writer,
    charge,
    close,
    reserve,
    story,
)
from ringfence.privacy.ledger.envelope import new_id, write
from ringfence.signing import public_name


@pytest.fixture
def ledger(tmp_path):
    """Entries 0 to 3 of a new ledger, a reservation (4) and two charges (5, 6)."""
    ledger = new_ledger(folder(tmp_path / "ledger"))
    reserve(ledger, WRITER, reserve_of(rounds=5))
    charge(ledger, SILO, charge_of(number=1))
    charge(ledger, SILO, charge_of(number=2))
    return ledger


def closed(ledger, error, where, message, verified):
    """Nobody can spend, the object is named, and people can read what was verified before it."""
    for attempt in (lambda: reopen(ledger), lambda: charge(fresh(ledger), SILO, charge_of(number=3))):
        with pytest.raises(error) as caught:
            attempt()
        assert caught.value.where == f"s3://mercy/readmissions/{where}".rstrip("/")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    readable = reopen(ledger, for_reading=True)
    assert type(readable.fault) is error
    assert readable.view.head.index == verified
    assert [row.index for row in story(readable)] == list(range(verified + 1))
    with pytest.raises(error):
        charge(readable, SILO, charge_of(number=3))
    return readable


def fresh(ledger):
    return Ledger.open(ledger.store, pin=ledger.entry0)


def object_(ledger, index):
    return ledger.store.get(f"ledger/{index}")


def put(ledger, index, data):
    ledger.store.put(f"ledger/{index}", data)


def forged(ledger, body, key, *, index=7, previous=None):
    """An entry made by hand in the right place, signed by `key`."""
    return write(body, key, index=index, previous=previous or ledger.view.head.hash, entry_id=new_id())


def test_a_flipped_byte(ledger):
    data = bytearray(object_(ledger, 5))
    data[len(data) // 2] ^= 1
    put(ledger, 5, bytes(data))
    closed(ledger, LedgerTampered, "ledger/5", "", verified=4)


def test_every_flipped_byte_of_an_entry_is_noticed(ledger):
    whole = object_(ledger, 6)
    for position in range(0, len(whole), 29):
        data = bytearray(whole)
        data[position] ^= 4
        put(ledger, 6, bytes(data))
        with pytest.raises(LedgerTampered, match="ledger/6"):
            fresh(ledger)


def test_swapped_entries(ledger):
    fifth, sixth = object_(ledger, 5), object_(ledger, 6)
    put(ledger, 5, sixth)
    put(ledger, 6, fifth)
    closed(ledger, LedgerTampered, "ledger/5", "this is entry 6, copied to another place", verified=4)


def test_an_entry_replayed_at_the_end(ledger):
    put(ledger, 7, object_(ledger, 5))
    closed(ledger, LedgerTampered, "ledger/7", "this is entry 5, copied to another place", verified=6)


def test_a_deleted_middle_entry(ledger):
    ledger.store.delete("ledger/4")
    closed(ledger, LedgerForked, "ledger/5", "this entry lies beyond a gap: entry 4 is missing", verified=3)


def test_a_truncated_tail_with_a_witness(ledger, tmp_path):
    witness = FileWitness(tmp_path / "state")
    reopen(ledger, witness=witness)
    ledger.store.delete("ledger/6")
    with pytest.raises(LedgerRolledBack) as caught:
        reopen(ledger, witness=witness)
    assert str(caught.value) == ("s3://mercy/readmissions: the ledger ends at entry 5, and entry 6 was seen before")
    readable = reopen(ledger, witness=witness, for_reading=True)
    assert isinstance(readable.fault, LedgerRolledBack)
    with pytest.raises(LedgerRolledBack):
        charge(readable, SILO, charge_of(number=3))
    with pytest.raises(LedgerError, match="no faulty entry to pardon"):
        readable.pardon(OWNER)


def test_a_tail_written_anew_with_a_witness(ledger, tmp_path):
    witness = FileWitness(tmp_path / "state")
    reopen(ledger, witness=witness)
    for index in (5, 6):
        ledger.store.delete(f"ledger/{index}")
    for number in (3, 4, 5):
        charge(fresh(ledger), SILO, charge_of(number=number))
    with pytest.raises(LedgerRolledBack) as caught:
        reopen(ledger, witness=witness)
    assert str(caught.value) == "s3://mercy/readmissions/ledger/6: entry 6 differs from what was seen before"


def test_a_tail_that_vanishes_under_an_open_ledger(ledger):
    ledger.store.delete("ledger/6")
    with pytest.raises(LedgerRolledBack) as caught:
        charge(ledger, SILO, charge_of(number=3))
    assert str(caught.value) == "s3://mercy/readmissions/ledger/6: entry 6 was read before and is gone"


def test_a_whole_ledger_recreated(ledger, tmp_path):
    for index in range(7):
        ledger.store.delete(f"ledger/{index}")
    with pytest.raises(LedgerMissing, match="the ledger that the manifest pins is not there"):
        reopen(ledger)
    new_ledger(ledger.store)
    with pytest.raises(LedgerMissing, match=r"ledger/0: this is not the ledger that the manifest pins"):
        reopen(ledger)
    with pytest.raises(LedgerMissing):
        reopen(ledger, for_reading=True)


def test_entry_zero_altered(ledger):
    put(ledger, 0, object_(ledger, 0).replace(b"Record", b"User:x"))
    with pytest.raises(LedgerMissing, match="not the ledger that the manifest pins"):
        reopen(ledger)


def test_an_entry_of_another_dataset(ledger, tmp_path):
    other = Ledger.create(folder(tmp_path / "other"), dataset="ds-other", unit="Record", owner=OWNER)
    for index in range(6):
        add_writer(other, OWNER, public_name(WRITER), f"writer {index}")
    put(ledger, 7, object_(other, 6))
    closed(ledger, LedgerTampered, "ledger/7", "this is entry 6", verified=6)
    add_writer(other, OWNER, public_name(WRITER), "writer 6")
    put(ledger, 7, object_(other, 7))
    closed(ledger, LedgerTampered, "ledger/7", "does not follow entry 6 as it is now", verified=6)


def test_an_unsigned_entry(ledger):
    document = json.loads(forged(ledger, charge_of(number=3), SILO))
    del document["signature"]
    put(ledger, 7, canonical.encode(document))
    closed(ledger, LedgerTampered, "ledger/7", "not signed", verified=6)


def test_an_entry_signed_for_another_purpose(ledger):
    document = json.loads(forged(ledger, charge_of(number=3), SILO))
    del document["signature"]
    put(ledger, 7, canonical.encode(signing.sign(document, SILO, "statement")))
    closed(ledger, LedgerTampered, "ledger/7", "the signature does not match the content", verified=6)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (charge_of(number=3), "must be signed by its key of this job"),
        (charge_of(number=1), "is charged already"),
        (Close("job-1", "mercy", ""), "only who reserved for job job-1"),
        (reserve_of("job-2"), "is neither the owner nor a writer"),
        (Writer(public_name(STRANGER), "me"), "a new writer must be signed by the owner"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_entry_signed_by_a_stranger(ledger, body, message):
    put(ledger, 7, forged(ledger, body, STRANGER))
    if isinstance(body, Charge):
        message = "must be signed by its key of this job"
    closed(ledger, LedgerTampered, "ledger/7", message, verified=6)


def test_a_charge_forged_by_the_key_of_another_job(ledger):
    reserve(ledger, WRITER, reserve_of("job-2", silo_key=public_name(STRANGER)))
    put(ledger, 8, forged(ledger, charge_of(number=3), STRANGER, index=8))
    closed(ledger, LedgerTampered, "ledger/8", "must be signed by its key of this job", verified=7)


def test_a_charge_forged_by_the_operator(ledger):
    put(ledger, 7, forged(ledger, charge_of(number=3), WRITER))
    closed(ledger, LedgerTampered, "ledger/7", "must be signed by its key of this job", verified=6)


def test_a_second_charge_of_a_round_for_other_bytes(ledger):
    put(ledger, 7, forged(ledger, charge_of(number=2, bytes_="other"), SILO))
    closed(ledger, LedgerTampered, "ledger/7", "round 2 of job job-1 is charged already, for other bytes", verified=6)


def test_a_second_charge_of_the_same_bytes_changes_nothing(ledger):
    spent = ledger.view.spent("s1")
    put(ledger, 7, forged(ledger, charge_of(number=2), SILO))
    assert fresh(ledger).view.spent("s1") == spent


def test_a_reservation_beyond_the_limit_put_by_a_writer(ledger):
    put(ledger, 7, forged(ledger, reserve_of("job-2", unit=100_000, rounds=90), WRITER))
    closed(ledger, LedgerTampered, "ledger/7", "with this plan epsilon would reach", verified=6)


def test_a_limit_whose_integers_were_improved_by_its_owner(ledger):
    limit = ledger.view.limit
    generous = replace(limit, limits=tuple(2 * each for each in limit.limits))
    put(ledger, 7, forged(ledger, generous, OWNER))
    closed(ledger, LedgerTampered, "ledger/7", "is not what its epsilon and delta allow", verified=6)


def resigned(ledger, **changes):
    """The next charge with some fields of the document changed, signed anew by the right key."""
    document = json.loads(forged(ledger, charge_of(number=3), SILO))
    del document["signature"]
    return canonical.encode(signing.sign({**document, **changes}, SILO, "ledger"))


def test_a_newer_version(ledger):
    put(ledger, 7, resigned(ledger, version=2))
    message = "entry of format version 2, and this release reads 1; upgrade ringfence if a newer release wrote it"
    closed(ledger, LedgerTampered, "ledger/7", message, verified=6)


def test_an_unknown_kind(ledger):
    put(ledger, 7, resigned(ledger, kind="refund"))
    closed(ledger, LedgerTampered, "ledger/7", "entry of unknown kind 'refund'", verified=6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "fields are missing or unknown"),
        ({"index": "7"}, "fields are missing or unknown"),
        ({"index": True}, "fields are missing or unknown"),
        ({"id": "x"}, "previous or id is malformed"),
        ({"previous": 7}, "previous or id is malformed"),
        ({"kind": ["charge"]}, "unknown kind"),
        ({"version": True}, "format version True"),
        ({"body": None}, "the body is not an object"),
        ({"body": {}}, "field 'cost' is missing"),
        ({"body": {**charge_of(number=3).to_body(), "refund": 1}}, "field 'refund' is unknown"),
        ({"body": {**charge_of(number=3).to_body(), "round": True}}, "field 'round' has the wrong type"),
        ({"body": {**charge_of(number=3).to_body(), "cost": [True] * 16}}, "field 'cost' has the wrong type"),
        ({"body": {**charge_of(number=3).to_body(), "cost": [-1] * 16}}, "cost must hold integers from 0"),
        ({"body": {**charge_of(number=3).to_body(), "cost": "x"}}, "field 'cost' has the wrong type"),
    ],
)
def test_a_malformed_entry_with_a_good_signature(ledger, change, message):
    put(ledger, 7, resigned(ledger, **change))
    closed(ledger, LedgerTampered, "ledger/7", message, verified=6)


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b"{}", b"null", b"\xff\xfe", b'{"a":1.5}', b"[" * 10_000])
def test_a_garbage_object(ledger, data):
    put(ledger, 7, data)
    closed(ledger, LedgerTampered, "ledger/7", "", verified=6)


def test_the_same_entry_in_another_spelling(ledger):
    document = json.loads(forged(ledger, charge_of(number=3), SILO))
    put(ledger, 7, json.dumps(document, indent=1).encode())
    closed(ledger, LedgerTampered, "ledger/7", "this is not a ledger entry", verified=6)


def test_an_entry_beyond_the_end(ledger):
    put(ledger, 9, forged(ledger, charge_of(number=3), SILO, index=9))
    closed(ledger, LedgerForked, "ledger/9", "this entry lies beyond a gap: entry 7 is missing", verified=6)


def test_other_names_in_the_folder_are_no_entries(ledger):
    for name in ("ledger/07", "ledger/x", "ledger/-1", "ledger/7.bak", "ledger-old/3"):
        ledger.store.put(name, b"x")
    assert fresh(ledger).view == ledger.view


@pytest.mark.parametrize("index", [7, 8, 10**12])
def test_the_owner_reopens_a_ledger_that_garbage_closed(ledger, index):
    put(ledger, index, b"garbage")
    readable = reopen(ledger, for_reading=True, whole=True)
    with pytest.raises(LedgerError, match="only the owner may pardon an entry"):
        readable.pardon(WRITER)
    readable.pardon(OWNER)
    assert readable.fault is None
    for number in (3, 4, 5):
        charge(fresh(ledger), SILO, charge_of(number=number))
    again = fresh(ledger)
    assert len(again.view.charged["job-1", "mercy"]) == 5
    assert story(again)[-1].epsilon == again.view.spent_epsilon()
    close(again, WRITER, job="job-1", silo="mercy", reason="")


def test_several_faulty_objects_are_pardoned_one_after_the_other(ledger):
    put(ledger, 7, b"garbage")
    put(ledger, 8, forged(ledger, charge_of(number=3), STRANGER, index=8, previous=canonical.digest(b"garbage")))
    readable = reopen(ledger, for_reading=True)
    readable.pardon(OWNER)
    assert readable.fault.where.endswith("ledger/8")
    readable.pardon(OWNER)
    assert readable.fault is None
    assert [row.kind for row in story(fresh(ledger))][-4:] == ["skipped", "skipped", "noop", "noop"]


def test_a_pardon_holds_for_one_place_and_one_object(ledger):
    put(ledger, 7, b"garbage")
    reopen(ledger, for_reading=True).pardon(OWNER)
    put(ledger, 9, b"garbage")
    with pytest.raises(LedgerTampered, match="ledger/9"):
        fresh(ledger)
    put(ledger, 10, object_(ledger, 8))
    with pytest.raises(LedgerTampered, match="ledger/9"):
        fresh(ledger)
    ledger.store.delete("ledger/10")
    ledger.store.delete("ledger/9")
    put(ledger, 7, b"other garbage")
    with pytest.raises(LedgerTampered, match="ledger/7"):
        fresh(ledger)


def test_a_pardon_cannot_take_back_a_good_entry(ledger):
    from ringfence.privacy.ledger import Noop

    good = canonical.digest(object_(ledger, 6))
    with pytest.raises(LedgerError, match="may only pardon a faulty object, and ledger/6 with that hash is none"):
        ledger.append(Noop(6, good), OWNER)
    put(ledger, 7, forged(ledger, Noop(6, good), OWNER))
    closed(ledger, LedgerTampered, "ledger/7", "may only pardon a faulty object", verified=6)


def test_a_pardon_forged_by_a_stranger_pardons_nothing(ledger):
    from ringfence.privacy.ledger import Noop

    put(ledger, 7, b"garbage")
    previous = canonical.digest(b"garbage")
    put(ledger, 8, forged(ledger, Noop(7, previous), STRANGER, index=8, previous=previous))
    closed(ledger, LedgerTampered, "ledger/7", "this is not a ledger entry", verified=6)


def test_charges_survive_an_attack_on_a_later_entry(ledger):
    put(ledger, 7, b"garbage")
    readable = reopen(ledger, for_reading=True)
    assert readable.view.spent("s1") == tuple(2 * each for each in cost(10_000))
    assert readable.view.charged["job-1", "mercy"] == {1: digest("update"), 2: digest("update")}
    assert readable.view.spent_epsilon() > Decimal(0)
