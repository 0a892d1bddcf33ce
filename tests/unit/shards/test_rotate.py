"""New keys for a dataset: what rotation changes, what it leaves alone, and what the old keys are still good for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, OTHER, Crashed, FailingStores, request, reserved, rows, url_of

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, KeyRejected, LedgerError, ShardUnavailable, SignatureRejected, StoreError
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.handover import hand_over
from ringfence.shards.key_provider import KeyFile, MountedSecret, key_of, provider
from ringfence.shards.keys import Kek, load_kek, new_keys
from ringfence.shards.manifest import Manifest, encode_manifest, read_manifest, read_manifest_version
from ringfence.shards.open import open_dataset
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

OWNER, SUCCESSOR = signing.public_name(KEYS.signer), signing.public_name(OTHER.signer)
NEW_KEK = SealKeys(OTHER.kek, KEYS.signer)
NEW_PAIR = SealKeys(OTHER.kek, OTHER.signer, KEYS.signer)


@pytest.fixture
def dataset(tmp_path):
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    return tmp_path


def store_of(folder):
    return Stores().open(url_of(folder))


def rotated(folder, new=NEW_KEK, old=KEYS, stores=None, **changed):
    return rotate(Rotation(url=url_of(folder), old=old, new=new, **changed), stores or Stores())


def shards(folder):
    return {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}


def opens(folder, kek, signer=OWNER, manifest=None):
    manifest = manifest or read_manifest(store_of(folder), signer=signer)
    return open_dataset(store_of(folder), manifest, kek).to_pylist() == rows().to_pylist()


class TestKek:
    def test_a_rotation_rewrites_the_manifest_and_touches_no_shard(self, dataset):
        before, first = shards(dataset), read_manifest(store_of(dataset), signer=OWNER)
        manifest = rotated(dataset)
        assert shards(dataset) == before
        assert (manifest.version, manifest.previous) == (2, first.digest())
        assert {shard.kek for shard in manifest.shards} == {OTHER.kek.id}
        assert opens(dataset, OTHER.kek)
        assert open_quality(store_of(dataset), manifest, OTHER.kek)["records"]["kept"] == 10

    def test_the_old_key_opens_the_old_manifest_only(self, dataset):
        rotated(dataset)
        with pytest.raises(KeyRejected, match="if it is lost, so are these rows"):
            opens(dataset, KEYS.kek)
        # What rotation cannot do: whoever keeps the old key and an old manifest has the shard keys.
        assert opens(dataset, KEYS.kek, manifest=read_manifest_version(store_of(dataset), 1, signer=OWNER))

    def test_resealing_makes_the_old_key_worthless(self, dataset):
        old = read_manifest(store_of(dataset), signer=OWNER)
        manifest = rotated(dataset, reseal=True)
        assert opens(dataset, OTHER.kek)
        assert set(shards(dataset)) == {shard.id for shard in manifest.shards}
        assert not {shard.id for shard in manifest.shards} & {shard.id for shard in old.shards}
        with pytest.raises(ShardUnavailable, match="the shard is missing"):
            opens(dataset, KEYS.kek, manifest=old)
        view = Ledger.open(store_of(dataset), pin=manifest.ledger.entry0).view
        for before, after in zip(old.shards, manifest.shards, strict=True):
            assert set(view.blocks[after.id].inherits) == {before.id}
        assert view.erased == {shard.id for shard in old.shards}

    def test_resealing_keeps_what_was_spent(self, dataset):
        manifest = read_manifest(store_of(dataset), signer=OWNER)
        ledger = reserved(dataset, manifest)
        with pytest.raises(LedgerError) as refusal:
            rotated(dataset, reseal=True)
        assert str(refusal.value) == (
            f"{url_of(dataset)}: 1 jobs hold reservations on the shards that resealing destroys: job; "
            "let them end, or close them with `ringfence budget close URL --job UID`"
        )
        operations.close(ledger, KEYS.signer, job="job", silo="mercy", reason="ended")
        before = ledger.refresh().spent(manifest.shards[0].id)
        after = rotated(dataset, reseal=True)
        assert ledger.refresh().spent(after.shards[0].id) == before

    def test_rotating_twice_and_appending_go_on(self, dataset):
        rotated(dataset)
        third = SealKeys(Kek(b"M" * 32), KEYS.signer)
        rotated(dataset, third, NEW_KEK)
        seal(request(url_of(dataset), source=rows(4, 10), append=True), Stores(), third)
        manifest = read_manifest(store_of(dataset), signer=OWNER)
        assert manifest.version == 4
        assert open_dataset(store_of(dataset), manifest, third.kek).to_pylist() == rows(14).to_pylist()

    def test_the_same_keys_are_refused(self, dataset):
        with pytest.raises(InvalidInput, match="the new keys are the old ones; name other keys, or --reseal"):
            rotated(dataset, KEYS)
        assert read_manifest(store_of(dataset), signer=OWNER).version == 1

    def test_a_wrong_old_key_is_refused(self, dataset):
        with pytest.raises(KeyRejected, match=f"sealed under {KEYS.kek.id}, the key given is {OTHER.kek.id}"):
            rotated(dataset, SealKeys(Kek(b"M" * 32), KEYS.signer), SealKeys(OTHER.kek, KEYS.signer))

    @pytest.mark.parametrize("reseal", [False, True])
    def test_a_crash_at_any_write_leaves_one_whole_version(self, tmp_path, reseal):
        seal(request(url_of(tmp_path / "origin")), Stores(), KEYS)
        counting = FailingStores(-1, "never")
        shutil.copytree(tmp_path / "origin", tmp_path / "count")
        rotated(tmp_path / "count", stores=counting, reseal=reseal)
        for step in range(len(counting.writes)):
            for how in ("before", "after"):
                folder = tmp_path / f"{how}-{step}"
                shutil.copytree(tmp_path / "origin", folder)
                with pytest.raises(Crashed):
                    rotated(folder, stores=FailingStores(step, how), reseal=reseal)
                manifest = read_manifest(store_of(folder), signer=OWNER)
                assert opens(folder, KEYS.kek if manifest.version == 1 else OTHER.kek)

    def test_a_shard_that_cannot_be_destroyed_is_named(self, dataset):
        class Locked(FailingStores):
            def open(self, url):
                store = super().open(url)
                store.purge = lambda key: (_ for _ in ()).throw(StoreError("cannot destroy every version: locked"))
                return store

        with pytest.raises(StoreError) as refusal:
            rotated(dataset, stores=Locked(-1, ""), reseal=True)
        assert "4 of 4 objects are still there: quality/1, shards/sh-" in str(refusal.value)
        assert opens(dataset, OTHER.kek)


class TestSigner:
    def test_the_old_key_signs_for_the_new_one_and_readers_who_pinned_it_follow(self, dataset):
        manifest = rotated(dataset, NEW_PAIR)
        assert (manifest.owner, len(manifest.handovers)) == (SUCCESSOR, 1)
        assert read_manifest(store_of(dataset), signer=OWNER) == read_manifest(store_of(dataset), signer=SUCCESSOR)
        assert opens(dataset, OTHER.kek, SUCCESSOR)
        again = SealKeys(OTHER.kek, Ed25519PrivateKey.from_private_bytes(b"U" * 32), KEYS.signer)
        rotated(dataset, again, NEW_PAIR)
        for signer in (OWNER, SUCCESSOR, again.public):
            assert read_manifest(store_of(dataset), signer=signer).owner == again.public

    def test_the_new_owner_appends_with_the_key_that_opened_the_ledger(self, dataset):
        rotated(dataset, NEW_PAIR)
        more = request(url_of(dataset), source=rows(4, 10), append=True)
        with pytest.raises(LedgerError, match="owner"):
            seal(more, Stores(), SealKeys(OTHER.kek, OTHER.signer))
        assert seal(more, Stores(), NEW_PAIR).manifest.handovers

    def test_a_second_handover_needs_the_key_that_opened_the_ledger(self, dataset):
        rotated(dataset, NEW_PAIR)
        again = SealKeys(OTHER.kek, Ed25519PrivateKey.from_private_bytes(b"U" * 32))
        before = sorted(dataset.rglob("*"))
        with pytest.raises(KeyRejected, match=r"the ledger was opened by .*; name that key's file with --ledger-key"):
            rotated(dataset, again, SealKeys(OTHER.kek, OTHER.signer))
        assert sorted(dataset.rglob("*")) == before

    def test_a_pinned_successor_does_not_follow_the_old_key(self, dataset):
        rotated(dataset, NEW_PAIR)
        (dataset / "manifest" / "2").unlink()
        with pytest.raises(SignatureRejected, match=f"signed by {OWNER}, not by {SUCCESSOR}"):
            read_manifest(store_of(dataset), signer=SUCCESSOR)

    @pytest.mark.parametrize("attack", ["forged", "other dataset", "no handover", "to another", "malformed", "gap"])
    def test_a_takeover_without_the_old_key_is_refused(self, dataset, attack):
        first = read_manifest(store_of(dataset), signer=OWNER)
        honest = hand_over(first.dataset, 2, KEYS.signer, SUCCESSOR)
        forged = hand_over(first.dataset, 2, OTHER.signer, SUCCESSOR).model_dump(mode="json")
        third = Ed25519PrivateKey.from_private_bytes(b"U" * 32)
        handovers = {
            "forged": [{**forged, "key": OWNER}],
            "other dataset": [hand_over("ds-" + "0" * 32, 2, KEYS.signer, SUCCESSOR).model_dump(mode="json")],
            "no handover": [],
            "to another": [hand_over(first.dataset, 2, KEYS.signer, OWNER).model_dump(mode="json")],
            "malformed": [{**honest.model_dump(mode="json"), "extra": 1}],
            "gap": [one.model_dump(mode="json") for one in (honest, hand_over(first.dataset, 2, third, SUCCESSOR))],
        }[attack]
        document = {**first.document(), "version": 2, "previous": first.digest(), "owner": SUCCESSOR}
        document |= {"handovers": handovers} if handovers else {}
        (dataset / "manifest" / "2").write_bytes(canonical.encode(signing.sign(document, OTHER.signer, "manifest")))
        with pytest.raises(SignatureRejected) as refusal:
            read_manifest(store_of(dataset), signer=OWNER)
        assert refusal.value.where == f"{url_of(dataset)}/manifest/2"

    def test_reading_and_encoding_again_gives_the_same_bytes(self, dataset):
        manifest = rotated(dataset, NEW_PAIR)
        assert encode_manifest(manifest, OTHER.signer) == (dataset / "manifest" / "2").read_bytes()
        assert "handovers" in manifest.document() and "terms" not in manifest.document()
        assert isinstance(manifest, Manifest)


class TestProviders:
    def test_a_file_and_a_mounted_secret_give_the_same_key(self, tmp_path, dataset):
        manifest = read_manifest(store_of(dataset), signer=OWNER)
        secret = tmp_path / "secret"
        (secret / "..data").mkdir(parents=True)
        (secret / "kek").write_text("S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s=\n")
        assert provider(secret) == MountedSecret(secret) and provider(secret / "kek") == KeyFile(secret / "kek")
        for keys in (provider(secret), provider(secret / "kek")):
            assert key_of(manifest, keys, "").id == KEYS.kek.id

    def test_during_a_rotation_both_keys_are_at_hand(self, tmp_path, dataset):
        secret = tmp_path / "secret"
        for name in ("kek", "next"):
            secret.mkdir(exist_ok=True)
            new_keys(tmp_path / name)
            (secret / name).write_bytes((tmp_path / name).read_bytes())
            wanted = load_kek(tmp_path / name)
            assert MountedSecret(secret).find(wanted.id, where="").id == wanted.id

    def test_a_key_that_is_not_at_hand_is_named(self, tmp_path, dataset):
        manifest = read_manifest(store_of(dataset), signer=OWNER)
        new_keys(tmp_path / "other")
        given = load_kek(tmp_path / "other").id
        message = f"^place: sealed under {KEYS.kek.id}, the key given is {given}; name the .* if it is lost, so"
        with pytest.raises(KeyRejected, match=message):
            key_of(manifest, KeyFile(tmp_path / "other"), "place")
        (tmp_path / "empty").mkdir()
        with pytest.raises(KeyRejected, match="the Secret is empty; give it the entry kek"):
            key_of(manifest, MountedSecret(tmp_path / "empty"), "place")
        with pytest.raises(KeyRejected, match="cannot read the Secret: No such file or directory"):
            key_of(manifest, MountedSecret(tmp_path / "nowhere"), "place")
        with pytest.raises(KeyRejected, match="a key is needed"):
            key_of(manifest, None, "place")

    def test_a_public_dataset_needs_no_provider(self, tmp_path):
        keys = SealKeys(None, KEYS.signer)
        manifest = seal(request(url_of(tmp_path), public=True), Stores(), keys).manifest
        assert key_of(manifest, None, "") is None
