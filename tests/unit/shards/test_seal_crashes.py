"""A seal that ends anywhere before its manifest leaves no dataset, and the next one with the same keys succeeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, OTHER, Crashed, FailingStore, FailingStores, request, reserved, rows, url_of

from ringfence import signing
from ringfence.errors import ConditionalWritesUnsupported, InvalidInput, LedgerOwned, ManifestUnavailable, StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import SealKeys, seal
from ringfence.store import Stores

OWNER = signing.public_name(KEYS.signer)
FIRST = ["ledger/0", "shards/", "shards/", "shards/", "quality/1", "ledger/0", "ledger/1", "audit/0", "manifest/1"]
APPEND = ["shards/", "shards/", "quality/2", "ledger/0", "ledger/2", "audit/1", "manifest/2"]


def store_of(folder):
    return Stores().open(url_of(folder))


def writes_of(folder, **changed):
    stores = FailingStores(-1, "never")
    seal(request(url_of(folder), **changed), stores, KEYS)
    return [key if not key.startswith("shards/") else "shards/" for key in stores.writes]


def whole(folder, count):
    manifest = read_manifest(store_of(folder), signer=OWNER)
    assert open_dataset(store_of(folder), manifest, KEYS.kek).to_pylist() == rows(count).to_pylist()
    listed = {f"shards/{shard.id}" for shard in manifest.shards}
    assert {info.key for info in store_of(folder).list("shards")} == listed
    assert Ledger.open(store_of(folder), pin=manifest.ledger.entry0).view.members >= {s.id for s in manifest.shards}
    return manifest


@pytest.fixture(autouse=True)
def probed(monkeypatch):
    """The probe of conditional writes stands in every seal's first place; here it is taken as done."""
    monkeypatch.setattr("ringfence.store.conditional._PROBED", _Everything())


class _Everything(set):
    def __contains__(self, item):
        return True


def test_the_order_of_writes_is_the_protocols(tmp_path):
    assert writes_of(tmp_path) == FIRST
    assert writes_of(tmp_path, source=rows(5, 10), append=True) == APPEND


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("step", range(len(FIRST)))
def test_a_crash_at_any_write_leaves_no_dataset_and_sealing_again_works(tmp_path, step, how):
    with pytest.raises(Crashed):
        seal(request(url_of(tmp_path)), FailingStores(step, how), KEYS)
    if (FIRST[step], how) == ("manifest/1", "after"):  # then it was sealed
        assert whole(tmp_path, 10).version == 1
        return
    with pytest.raises(ManifestUnavailable, match="no dataset here"):
        read_manifest(store_of(tmp_path), signer=OWNER)
    begun = tmp_path / "ledger" / "0"
    entry = begun.read_bytes() if begun.exists() else None
    manifest = seal(request(url_of(tmp_path)), Stores(), KEYS).manifest
    assert whole(tmp_path, 10) == manifest
    assert entry in (None, begun.read_bytes())  # entry 0 is adopted, never replaced


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("step", range(len(APPEND)))
def test_a_crash_while_appending_leaves_the_dataset_as_it_was(tmp_path, step, how):
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    more = request(url_of(tmp_path), source=rows(5, 10), append=True)
    with pytest.raises(Crashed):
        seal(more, FailingStores(step, how), KEYS)
    manifest = read_manifest(store_of(tmp_path), signer=OWNER)
    if (APPEND[step], how) == ("manifest/2", "after"):
        assert whole(tmp_path, 15).version == 2
        return
    assert open_dataset(store_of(tmp_path), manifest, KEYS.kek).num_rows == 10
    seal(more, Stores(), KEYS)
    assert whole(tmp_path, 15).version == 2


@pytest.mark.parametrize("step", [step for step, key in enumerate(FIRST) if key in ("shards/", "quality/1")])
def test_a_full_disk_is_one_line_and_gives_its_space_back(tmp_path, step):
    with pytest.raises(StoreError) as refusal:
        seal(request(url_of(tmp_path)), FailingStores(step, "error"), KEYS)
    assert "No space left on device" in str(refusal.value) and "\n" not in str(refusal.value)
    assert store_of(tmp_path).list("shards") == [] and store_of(tmp_path).list("manifest") == []
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    whole(tmp_path, 10)


def test_a_crash_of_one_owner_is_not_finished_by_another(tmp_path):
    with pytest.raises(Crashed):
        seal(request(url_of(tmp_path)), FailingStores(1, "before"), KEYS)
    with pytest.raises(LedgerOwned, match=f"ledger/0: this ledger was opened by {OWNER}"):
        seal(request(url_of(tmp_path)), Stores(), OTHER)


def test_what_other_writers_left_is_swept_but_no_listed_shard(tmp_path):
    for step in (2, 5, 7):
        with pytest.raises(Crashed):
            seal(request(url_of(tmp_path)), FailingStores(step, "before"), KEYS)
    assert len(store_of(tmp_path).list("shards")) == 1 + 3 + 3
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    whole(tmp_path, 10)


def test_a_public_seal_survives_a_crash_too(tmp_path):
    keys = SealKeys(None, KEYS.signer)
    with pytest.raises(Crashed):
        seal(request(url_of(tmp_path), public=True), FailingStores(4, "before"), keys)
    assert seal(request(url_of(tmp_path), public=True), Stores(), keys).manifest.version == 1


def test_a_manifest_that_vanished_after_spending_is_not_forgotten(tmp_path):
    """Sealing afresh beside a ledger that has reservations would give spent rows a new budget."""
    manifest = seal(request(url_of(tmp_path)), Stores(), KEYS).manifest
    reserved(tmp_path, manifest)
    (tmp_path / "manifest" / "1").unlink()
    with pytest.raises(ManifestUnavailable) as refusal:
        seal(request(url_of(tmp_path)), Stores(), KEYS)
    assert str(refusal.value) == (
        f"{url_of(tmp_path)}: this ledger has reservations, but the manifest of its dataset is gone; "
        "restore the manifest, or seal to another URL with a ledger of its own"
    )


class Lying(FailingStore):
    """The first put of a manifest is answered with an error: `lost` although it landed, or although it did not."""

    def put_if_absent(self, key, data):
        if key.startswith("manifest/") and key not in self.plan.writes:
            self.plan.writes.append(key)
            if self.plan.how == "landed":
                self.inner.put_if_absent(key, data)
            if self.plan.how == "rival":
                self.inner.put_if_absent(key, b"the manifest of another")
            if self.plan.how == "refused":
                return False  # some stores answer so to a race in which nothing landed
            raise StoreError("connection reset", where=f"{self.inner.url}/{key}")
        return self.inner.put_if_absent(key, data)

    def put(self, key, data):
        self.inner.put(key, data)


class LyingStores(FailingStores):
    def open(self, url):
        return Lying(self.inner.open(url), self)


@pytest.mark.parametrize("how", ["landed", "lost", "refused"])
def test_an_unknown_answer_to_the_manifest_is_settled_by_reading(tmp_path, how):
    manifest = seal(request(url_of(tmp_path)), LyingStores(-1, how), KEYS).manifest
    assert whole(tmp_path, 10) == manifest


def test_a_rival_that_was_first_is_named_and_its_manifest_kept(tmp_path):
    with pytest.raises(InvalidInput) as refusal:
        seal(request(url_of(tmp_path)), LyingStores(-1, "rival"), KEYS)
    assert str(refusal.value) == (
        f"{url_of(tmp_path)}/manifest/1: another seal published this version first; "
        "look at it with `ringfence inspect`, then seal again"
    )
    assert (tmp_path / "manifest" / "1").read_bytes() == b"the manifest of another"
    assert store_of(tmp_path).list("shards") == []


def test_a_manifest_that_never_lands_is_a_store_error_and_sealing_again_works(tmp_path):
    class Never(Lying):
        def put_if_absent(self, key, data):
            if key.startswith("manifest/"):
                raise StoreError("no route to host")
            return self.inner.put_if_absent(key, data)

    class NeverStores(FailingStores):
        def open(self, url):
            return Never(self.inner.open(url), self)

    with pytest.raises(StoreError) as refusal:
        seal(request(url_of(tmp_path)), NeverStores(-1, ""), KEYS)
    assert str(refusal.value) == (
        f"{url_of(tmp_path)}/manifest/1: the manifest could not be written: no route to host; "
        "seal again: nothing was published unless `ringfence inspect` shows it"
    )
    assert len(store_of(tmp_path).list("shards")) == 3  # a late put may still name them
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    whole(tmp_path, 10)


@pytest.mark.parametrize("public", [False, True])
def test_a_store_that_overwrites_is_refused_before_anything_is_written(tmp_path, monkeypatch, public):
    monkeypatch.setattr("ringfence.store.conditional._PROBED", set())

    class Overwriting(FailingStore):
        def put_if_absent(self, key, data):
            self.inner.put(key, data)
            return True

    class OverwritingStores(FailingStores):
        def open(self, url):
            return Overwriting(self.inner.open(url), self)

    with pytest.raises(ConditionalWritesUnsupported):
        seal(request(url_of(tmp_path), public=public), OverwritingStores(-1, ""), KEYS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_real_full_disk_leaves_no_dataset(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(StoreError) as refusal:
            seal(request(url_of(folder), source=rows(20_000), shard_records=2_000), Stores(), KEYS)
        assert "No space left on device" in str(refusal.value) and "shards/sh-" in refusal.value.where
        left = {info.key for info in store_of(folder).list("")}
        assert left == {"ledger/0"}
        seal(request(url_of(folder)), Stores(), KEYS)
        whole(folder, 10)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
