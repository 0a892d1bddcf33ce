"""The audit log: whatever was done is told; an edited, dropped, exchanged or added entry is found and named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, FailingStore, FailingStores, request, rows, url_of

from ringfence import canonical, signing
from ringfence.errors import StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_story import tell
from ringfence.shards.auditing import examine, head
from ringfence.shards.manifest import encode_manifest, read_manifest, read_manifest_version
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.subject import Subject, erase, held_on
from ringfence.shards.terms import Terms
from ringfence.store import Stores

OWNER = signing.public_name(KEYS.signer)
PERSON = f"{CANARY}-1"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Sealed, appended, rotated to a new signer, looked up, erased."""
    folder = tmp_path_factory.mktemp("history")
    seal(request(url_of(folder), unit="User:person"), Stores(), KEYS)
    seal(request(url_of(folder), unit="User:person", source=rows(4, 10), append=True), Stores(), KEYS)
    after = SealKeys(OTHER.kek, OTHER.signer, KEYS.signer)
    rotate(Rotation(url=url_of(folder), old=KEYS, new=after), Stores())
    held_on(Subject(url=url_of(folder), unit=PERSON, keys=after), Stores())
    erase(Subject(url=url_of(folder), unit=PERSON, keys=after), Stores())
    return folder


@pytest.fixture
def dataset(history, tmp_path):
    import shutil

    shutil.copytree(history, tmp_path / "copy")
    return tmp_path / "copy"


def examined(folder, **options):
    store = Stores().open(url_of(folder))
    manifest = read_manifest(store, signer=OWNER)
    ledger = Ledger.open(store, pin=manifest.ledger.entry0) if manifest.ledger else None
    return examine(store, store, manifest, ledger, **options)


def faults(folder, **options):
    return [fault.replace(url_of(folder), "URL") for fault in examined(folder, **options).faults]


def test_everything_done_is_told_between_what_the_ledger_tells(dataset):
    found = examined(dataset)
    assert found.faults == ()
    assert [entry.event for entry in found.entries] == ["sealed", "appended", "rotated", "accessed", "erased"]
    store = Stores().open(url_of(dataset))
    manifest = read_manifest(store, signer=OWNER)
    story = list(tell(found, Ledger.open(store, pin=manifest.ledger.entry0)))
    assert [line.split()[0] for line in story] == [
        "ledger", "ledger", "audit", "ledger", "audit", "ledger", "audit", "audit", "ledger", "audit", "ledger",
    ]  # fmt: skip
    assert story[2].endswith("owner sealed the dataset, version 1, 10 records")
    assert "destroyed 1 shards for good (erasure)" in story[-1]


def test_the_log_holds_no_personal_data(dataset):
    for path in (dataset / "audit").iterdir():
        assert CANARY not in path.read_text()


def test_a_missing_entry_is_named(dataset):
    (dataset / "audit" / "2").unlink()
    follows = "does not follow the entry before it: one of the two was exchanged, or the one before is missing"
    assert faults(dataset) == [
        "URL/audit/2: this entry of the audit log is missing",
        f"URL/audit/3: {follows}",
        "URL/manifest/3: published without an entry in the audit log",
    ]


def test_a_missing_end_is_named_by_the_manifests_and_by_what_was_seen(dataset):
    seen = head(Stores().open(url_of(dataset)))
    (dataset / "audit" / "4").unlink()
    assert faults(dataset) == ["URL/manifest/4: published without an entry in the audit log"]
    (dataset / "audit" / "3").unlink()
    assert faults(dataset, remembered=seen)[0] == "URL/audit/4: gone or another than was seen before on this machine"


def test_an_edited_entry_is_named(dataset):
    path = dataset / "audit" / "1"
    path.write_bytes(path.read_bytes().replace(b'"records":4', b'"records":9'))
    found = faults(dataset)
    assert found[0] == "URL/audit/1: the signature does not match the content"
    assert found[1].startswith("URL/audit/2: does not follow the entry before it")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"key":"x","signature":"y"}'])
def test_what_is_no_entry_is_named(dataset, content):
    (dataset / "audit" / "4").write_bytes(content)
    assert faults(dataset)[0].startswith("URL/audit/4: ")


def test_two_exchanged_entries_are_named(dataset):
    one, two = (dataset / "audit" / name for name in ("1", "2"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    found = faults(dataset)
    assert found[:2] == ["URL/audit/1: entry 2 was put in its place", "URL/audit/2: entry 1 was put in its place"]


def test_an_entry_rewritten_by_its_own_signer_breaks_the_chain(dataset):
    path = dataset / "audit" / "0"
    document = {
        name: value for name, value in json.loads(path.read_bytes()).items() if name not in ("key", "signature")
    }
    path.write_bytes(canonical.encode(signing.sign({**document, "details": {"records": 1}}, KEYS.signer, "audit")))
    assert faults(dataset)[0].startswith("URL/audit/1: does not follow the entry before it")


def test_a_stranger_cannot_add_an_entry(dataset):
    AuditLog(*of(dataset), signing_key(b"X"), None).record("accessed")
    (fault,) = faults(dataset)
    assert fault.startswith("URL/audit/5: signed by ed25519:")
    assert fault.endswith("who never owned this dataset and is named by no reservation")


def test_an_entry_of_another_dataset_is_named(dataset):
    AuditLog(Stores().open(url_of(dataset)), "ds-" + "0" * 32, OTHER.signer, None).record("accessed")
    assert faults(dataset) == [f"URL/audit/5: an entry of another dataset, ds-{'0' * 32}"]


def test_an_object_far_beyond_the_end_neither_ends_nor_hides_the_log(dataset):
    (dataset / "audit" / "9000").write_bytes(b"put by whoever may write here")
    AuditLog(*of(dataset), OTHER.signer, None).record("accessed")
    assert faults(dataset) == ["URL/audit/9000: put far beyond the end"]
    assert len(examined(dataset).entries) == 6


def test_an_erasure_that_found_nobody_is_told(tmp_path):
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    erase(Subject(url=url_of(tmp_path), unit="nobody", keys=KEYS), Stores())
    last = examined(tmp_path).entries[-1]
    assert (last.event, last.version, last.details) == ("erased", None, {"records": 0})
    assert faults(tmp_path) == []


def test_a_manifest_that_bypassed_the_log_is_named(dataset):
    store = Stores().open(url_of(dataset))
    manifest = read_manifest(store, signer=OWNER)
    following = manifest.model_copy(update={"version": manifest.version + 1, "previous": manifest.digest()})
    store.put(following.key, encode_manifest(following, OTHER.signer))
    assert faults(dataset) == ["URL/manifest/5: published without an entry in the audit log"]


def test_a_manifest_exchanged_by_its_owner_after_it_was_told_is_named(dataset):
    store = Stores().open(url_of(dataset))
    second = read_manifest_version(store, 2, signer=OWNER)
    other = second.model_copy(update={"terms": Terms(purposes=("ads",))})
    store.put(second.key, encode_manifest(other, KEYS.signer))
    assert faults(dataset) == ["URL/manifest/2: published without an entry in the audit log"]


def test_a_version_signed_by_a_stranger_is_named(dataset):
    store = Stores().open(url_of(dataset))
    second, stranger = read_manifest_version(store, 2, signer=OWNER), signing_key(b"X")
    theirs = second.model_copy(update={"owner": signing.public_name(stranger)})
    store.put(second.key, encode_manifest(theirs, stranger))
    assert faults(dataset) == ["URL/manifest/2: signed by one who never owned it"]


def test_a_public_dataset_has_a_log_too(tmp_path):
    seal(request(url_of(tmp_path), public=True), Stores(), SealKeys(None, KEYS.signer))
    assert [entry.event for entry in examined(tmp_path).entries] == ["sealed"]
    assert faults(tmp_path) == []


def test_a_log_that_cannot_be_written_stops_the_change(tmp_path):
    class Unwritable(FailingStore):
        def put_if_absent(self, key, data):
            if key.startswith("audit/"):
                raise StoreError("no space")
            return self.inner.put_if_absent(key, data)

    class Stopped(FailingStores):
        def open(self, url):
            return Unwritable(self.inner.open(url), self)

    with pytest.raises(StoreError, match="cannot tell whether this entry was written"):
        seal(request(url_of(tmp_path)), Stopped(-1, ""), KEYS)
    assert not (tmp_path / "manifest").exists() and not any((tmp_path / "shards").iterdir())


def test_writers_at_once_all_land_in_one_chain(dataset):
    from concurrent.futures import ThreadPoolExecutor

    log = AuditLog(*of(dataset), OTHER.signer, None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: log.record("accessed"), range(8)))
    found = examined(dataset)
    assert found.faults == () and len(found.entries) == 13


def of(folder):
    store = Stores().open(url_of(folder))
    return store, read_manifest(store, signer=OWNER).dataset


def signing_key(letter):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(letter * 32)
