"""What every change of a dataset keeps, what a failed one leaves behind (nothing), and in which order it is told."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Timer

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, SCHEMA, FailingStore, FailingStores, request, reserved, rows, url_of

from ringfence import signing
from ringfence.cli import main
from ringfence.errors import KeyRejected, LedgerError, SignatureRejected, StoreError
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.expire import sweep_expired
from ringfence.shards.fetch import shard_key
from ringfence.shards.manifest import read_manifest, read_manifest_version
from ringfence.shards.open import open_dataset
from ringfence.shards.publish import Draft, discard
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.subject import Subject, erase, held_on
from ringfence.shards.terms import Terms
from ringfence.shards.writing import ShardWriter
from ringfence.store import Stores

OWNER = signing.public_name(KEYS.signer)
AFTER = SealKeys(OTHER.kek, OTHER.signer, KEYS.signer)
TERMS = Terms(purposes=("care",), opt_outs=("ads",), retain_until="9000-01-01", licence="CC BY 4.0")
PERSON = f"{CANARY}-1"
EXPIRED = Terms(retain_until="2020-02-29")


def store_of(folder):
    return Stores().open(url_of(folder))


def sealed(folder, **changed):
    return seal(request(url_of(folder), unit="User:person", **changed), Stores(), KEYS).manifest


def erased(folder, keys, unit=PERSON, stores=None):
    return erase(Subject(url=url_of(folder), unit=unit, keys=keys), stores or Stores()).manifest


def appended(folder, keys):
    more = request(url_of(folder), unit="User:person", source=rows(4, 100), append=True)
    return seal(more, Stores(), keys).manifest


def declared(manifest):
    """What the owner declared once and for all; the split's key may be wrapped anew, its share not."""
    fixed = ("dataset", "unit", "public", "schema_", "ledger", "terms")
    return [getattr(manifest, name) for name in fixed], manifest.split.share


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: rotate(Rotation(url=url_of(folder), old=AFTER, new=KEYS), Stores()),
        lambda folder: rotate(Rotation(url=url_of(folder), old=AFTER, new=AFTER, reseal=True), Stores()),
        lambda folder: erased(folder, AFTER),
        lambda folder: appended(folder, AFTER),
    ],
    ids=["rotate", "reseal", "erase", "append"],
)
def test_a_change_keeps_what_the_owner_declared_and_the_way_from_the_first_key(tmp_path, change):
    first = sealed(tmp_path, source=rows(60), terms=TERMS, validation="0.5")
    rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER), Stores())
    changed = change(tmp_path)
    assert declared(changed) == declared(first)
    before = read_manifest_version(store_of(tmp_path), 2, signer=None)
    assert (changed.version, changed.previous) == (3, before.digest())
    assert read_manifest(store_of(tmp_path), signer=OWNER) == changed, "who pinned the first key cannot follow"


def test_a_person_whose_rows_are_kept_for_scores_is_erased_too(tmp_path):
    manifest = sealed(tmp_path, source=rows(60), validation="0.5")
    kept = set(open_dataset(store_of(tmp_path), manifest, KEYS.kek, part="validation").column("person").to_pylist())
    person = sorted(kept)[0]
    after = erased(tmp_path, KEYS, person)
    left = open_dataset(store_of(tmp_path), after, KEYS.kek, part="validation").column("person").to_pylist()
    assert person not in left and set(left) == kept - {person}
    assert (after.units, after.records) == (manifest.units, manifest.records)
    assert after.validation_records == manifest.validation_records - 2


def test_no_key_seals_two_objects_and_none_seals_again(tmp_path):
    sealed(tmp_path, validation="0.5")
    versions = [appended(tmp_path, KEYS), erased(tmp_path, KEYS)]
    versions.append(rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER, reseal=True), Stores()))
    keys = {}
    for manifest in versions:
        kek = KEYS.kek if manifest.owner == OWNER else AFTER.kek
        keys |= {shard.id: shard_key(manifest, shard, kek, "") for shard in manifest.shards}
    assert len(set(keys.values())) == len(keys) == len({shard.id for one in versions for shard in one.shards}) > 6


def events(folder):
    """What the log tells, read as plain JSON."""
    entries = sorted((folder / "audit").iterdir(), key=lambda path: int(path.name))
    return [json.loads(path.read_bytes())["event"] for path in entries]


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_wrong_key_is_named_before_the_log_says_that_anything_was_done(tmp_path):
    sealed(tmp_path)
    before, wrong = snapshot(tmp_path), SealKeys(OTHER.kek, KEYS.signer)
    for find in (held_on, erase):
        with pytest.raises(KeyRejected, match=f"^{url_of(tmp_path)}: sealed under {KEYS.kek.id}, the key given is"):
            find(Subject(url=url_of(tmp_path), unit=PERSON, keys=wrong), Stores())
    assert snapshot(tmp_path) == before


def test_another_owner_changes_nothing_with_the_datasets_key(tmp_path):
    """The key that opens shards is no consent: the signature is, and it is asked for before anything is written."""
    sealed(tmp_path)
    before, thief = snapshot(tmp_path), SealKeys(KEYS.kek, OTHER.signer)
    for change in (
        lambda: rotate(Rotation(url=url_of(tmp_path), old=thief, new=AFTER), Stores()),
        lambda: erased(tmp_path, thief),
        lambda: sweep_expired(url_of(tmp_path), Stores(), thief, datetime.now(UTC)),
    ):
        with pytest.raises(SignatureRejected, match=r"/manifest/1: signed by ed25519:.*, not by ed25519:"):
            change()
    assert snapshot(tmp_path) == before


class Refusing(FailingStore):
    """The real store, which refuses one folder."""

    folder = ""

    def put_if_absent(self, key, data):
        self._refuse(key)
        return self.inner.put_if_absent(key, data)

    def put(self, key, data):
        self._refuse(key)
        self.inner.put(key, data)

    def _refuse(self, key):
        """`plan.at` writes to the folder `plan.how` are let through."""
        before = sum(one.startswith(self.plan.how) for one in self.plan.writes)
        self.plan.writes.append(key)
        if key.startswith(self.plan.how) and before >= self.plan.at:
            raise StoreError("no space")


class RefusingStores(FailingStores):
    def open(self, url):
        return Refusing(self.inner.open(url), self)


@pytest.mark.parametrize("folder", ["shards/", "ledger/", "audit/"])
@pytest.mark.parametrize("change", ["erase", "reseal"])
def test_a_change_that_fails_half_way_leaves_no_shard_behind_and_publishes_nothing(tmp_path, change, folder):
    manifest = sealed(tmp_path)
    before = {info.key for info in store_of(tmp_path).list("shards")}
    stores = RefusingStores(0, folder)
    with pytest.raises(StoreError):
        if change == "erase":
            erased(tmp_path, KEYS, stores=stores)
        else:
            rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER, reseal=True), stores)
    assert {info.key for info in store_of(tmp_path).list("shards")} == before
    assert read_manifest(store_of(tmp_path), signer=OWNER) == manifest


def test_a_second_shard_that_cannot_be_written_takes_the_first_with_it(tmp_path):
    sealed(tmp_path)
    before = {info.key for info in store_of(tmp_path).list("shards")}
    with pytest.raises(StoreError, match="no space"):
        rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER, reseal=True), RefusingStores(1, "shards/"))
    assert {info.key for info in store_of(tmp_path).list("shards")} == before


@pytest.mark.parametrize("change", ["erase", "rotate", "reseal"])
def test_a_change_is_written_down_before_it_is_published(tmp_path, change):
    sealed(tmp_path)
    stores = RefusingStores(0, "nothing")
    if change == "erase":
        erased(tmp_path, KEYS, stores=stores)
    else:
        rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER, reseal=change == "reseal"), stores)
    told = [key.partition("/")[0] for key in stores.writes if key.startswith(("audit", "manifest"))]
    assert told == ["audit", "manifest"]


def test_a_sweep_waits_for_jobs_and_is_written_down(tmp_path):
    manifest = sealed(tmp_path, terms=EXPIRED)
    ledger = reserved(tmp_path, manifest)
    with pytest.raises(LedgerError, match="1 jobs hold reservations on the shards that sweeping destroys: job; let"):
        sweep_expired(url_of(tmp_path), Stores(), KEYS, datetime.now(UTC))
    assert len(store_of(tmp_path).list("shards")) == 3
    operations.close(ledger, KEYS.signer, job="job", silo="mercy", reason="ended")
    sweep_expired(url_of(tmp_path), Stores(), KEYS, datetime.now(UTC))
    assert events(tmp_path) == ["sealed", "expired"]
    view = Ledger.open(store_of(tmp_path), pin=manifest.ledger.entry0).view
    assert view.erased == {shard.id for shard in manifest.shards}


def test_a_clock_that_jumps_confuses_no_version_and_no_log(tmp_path, monkeypatch, capsys):
    """The order of entries is the only clock: times are told as the writer's word, and prove nothing."""
    years = iter([2031, 1999, 2026, 1970, 2026])

    class Jumping(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(next(years), 1, 1, tzinfo=zone)

    monkeypatch.setattr("ringfence.shards.audit.datetime", Jumping)
    sealed(tmp_path)
    rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=AFTER), Stores())
    appended(tmp_path, AFTER)
    assert erased(tmp_path, AFTER).version == 4
    assert main(["audit", url_of(tmp_path)]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("audit")]
    assert [words[2][:4] for words in told] == ["2031", "1999", "2026", "1970"]


def test_a_failure_waits_for_uploads_under_way_so_that_they_are_discarded_too(tmp_path):
    started, released = Event(), Event()

    class Slow(FailingStore):
        def put(self, key, data):
            started.set()
            released.wait(60)
            self.inner.put(key, data)

    store = Slow(store_of(tmp_path), FailingStores(-1, ""))
    draft = Draft(store=store, dataset="ds-" + "0" * 32, version=1, schema=SCHEMA, kek=KEYS.kek)
    with pytest.raises(KeyError), ShardWriter(draft, 4, print) as writer:
        writer.add(rows(4).cast(SCHEMA.arrow_schema()))
        started.wait(60)
        Timer(0.3, released.set).start()
        raise KeyError
    assert {info.key for info in store_of(tmp_path).list("shards")} == set(draft.written) != set()
    discard(draft)
    assert store_of(tmp_path).list("shards") == []
