"""Whoever holds the store can take a dataset away, and can change nothing in it without being named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, request, rows, url_of

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, KeyRejected, ManifestUnavailable, ShardUnavailable, SignatureRejected
from ringfence.shards.manifest import Manifest, encode_manifest, read_manifest, read_manifest_version
from ringfence.shards.open import open_dataset, open_shard
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

KEY_OR_DEK = "a shard's key is wrapped exactly when the dataset is not public"
SHARD_ID = "'^sh-[0-9a-f]{32}$'"
NO_COLUMNS = "Tuple should have at least 1 item after validation, not 0"
OWNER = signing.public_name(KEYS.signer)


@pytest.fixture
def dataset(tmp_path):
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    return tmp_path


def store_of(folder):
    return Stores().open(url_of(folder))


def read(folder, **options):
    return read_manifest(store_of(folder), **{"signer": OWNER, **options})


def refused(kind, folder, message, call):
    with pytest.raises(kind) as refusal:
        call()
    assert str(refusal.value) == message.replace("URL", url_of(folder), 1)
    assert CANARY not in repr(refusal.value) and KEYS.kek._key.hex() not in repr(refusal.value)


def unopened(folder, message, manifest=None, kek=KEYS.kek, kind=ShardUnavailable):
    manifest = manifest or read(folder)
    refused(kind, folder, message, lambda: open_dataset(store_of(folder), manifest, kek))


def resigned(folder, change, keys=KEYS):
    """The manifest as its owner (or another) might have signed it with something changed."""
    document = read(folder).document()
    change(document)
    manifest = Manifest.model_validate_json(canonical.encode(document))
    (folder / "manifest" / "1").write_bytes(encode_manifest(manifest, keys.signer))


class TestShards:
    def test_one_flipped_byte_anywhere_is_named(self, dataset):
        shard = read(dataset).shards[1]
        path = dataset / shard.key
        whole = path.read_bytes()
        for position in range(0, len(whole), 37):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            unopened(dataset, f"URL/{shard.key}: altered: not the bytes that the manifest lists")

    def test_two_swapped_shards_are_named(self, dataset):
        one, two = read(dataset).shards[:2]
        first, second = (dataset / one.key).read_bytes(), (dataset / two.key).read_bytes()
        (dataset / one.key).write_bytes(second)
        (dataset / two.key).write_bytes(first)
        unopened(dataset, f"URL/{one.key}: swapped: it holds the bytes of shard {two.id}")

    def test_a_truncated_shard_is_named(self, dataset):
        shard = read(dataset).shards[0]
        whole = (dataset / shard.key).read_bytes()
        (dataset / shard.key).write_bytes(whole[:100])
        unopened(dataset, f"URL/{shard.key}: truncated: 100 bytes of {len(whole)}")

    def test_a_longer_shard_is_named(self, dataset):
        shard = read(dataset).shards[0]
        (dataset / shard.key).write_bytes((dataset / shard.key).read_bytes() + b"\x00")
        unopened(dataset, f"URL/{shard.key}: altered: not the bytes that the manifest lists")

    def test_a_missing_shard_is_named(self, dataset):
        shard = read(dataset).shards[2]
        (dataset / shard.key).unlink()
        unopened(dataset, f"URL/{shard.key}: the shard is missing; restore the object")

    @pytest.mark.parametrize("field", ["dataset", "id", "sealed_version", "position", "schema"])
    def test_a_shard_under_a_false_name_does_not_open_though_the_digests_agree(self, dataset, field):
        """The bindings hold by themselves, even against a manifest that its owner signed."""
        manifest = read(dataset)
        if field in ("dataset", "schema"):
            other = manifest.schema_.model_copy(update={"description": "other"})
            update = {"dataset": "ds-" + "0" * 32} if field == "dataset" else {"schema_": other}
            shard, manifest = manifest.shards[0], manifest.model_copy(update=update)
        else:
            update = {"id": manifest.shards[1].id, "sealed_version": 9, "position": 9}
            shard = manifest.shards[0].model_copy(update={field: update[field]})
            (dataset / shard.key).write_bytes((dataset / manifest.shards[0].key).read_bytes())
        if field in ("dataset", "id"):
            kind, message = KeyRejected, f"the shard's key does not unwrap under {KEYS.kek.id}"
        else:
            kind = ShardUnavailable
            message = "segment 1 of 1 is altered, moved, truncated or belongs to another object"
        where = f"URL/{shard.key}: {message}"
        refused(kind, dataset, where, lambda: open_shard(store_of(dataset), manifest, shard, KEYS.kek))

    def test_shards_of_another_dataset_of_the_same_owner_do_not_open(self, dataset, tmp_path_factory):
        other = tmp_path_factory.mktemp("other")
        theirs = seal(request(url_of(other)), Stores(), KEYS).manifest.shards[0]
        ours = read(dataset).shards[0]
        (dataset / ours.key).write_bytes((other / theirs.key).read_bytes())
        unopened(dataset, f"URL/{ours.key}: altered: not the bytes that the manifest lists")

        def take_over(document):
            document["shards"][0].update(digest=theirs.digest, size=theirs.size, wrapped_dek=theirs.wrapped_dek)

        resigned(dataset, take_over)
        message = f"URL/{ours.key}: the shard's key does not unwrap under {KEYS.kek.id}"
        unopened(dataset, message, kind=KeyRejected)

    def test_false_counts_and_columns_are_named(self, dataset):
        manifest = read(dataset)
        shard = manifest.shards[0].model_copy(update={"records": 5})
        message = f"URL/{shard.key}: it holds 4 records, the manifest lists 5"
        refused(ShardUnavailable, dataset, message, lambda: open_shard(store_of(dataset), manifest, shard, KEYS.kek))


class TestKeys:
    def test_a_wrong_key_is_named_before_anything_is_fetched(self, dataset):
        manifest = read(dataset)
        shutil.rmtree(dataset / "shards")
        message = f"URL: sealed under {KEYS.kek.id}, the key given is {OTHER.kek.id}; "
        unopened(
            dataset,
            message
            + "name the key file that the dataset was sealed with; if it is lost, so are these rows: seal them again",
            manifest,
            OTHER.kek,
            KeyRejected,
        )

    def test_no_key_is_named(self, dataset):
        message = f"URL: a key is needed: sealed under {KEYS.kek.id}; name the owner's key file"
        unopened(dataset, message, kek=None, kind=KeyRejected)

    def test_a_wrapped_key_moved_to_another_shard_does_not_unwrap(self, dataset):
        def move(document):
            document["shards"][0]["wrapped_dek"] = document["shards"][1]["wrapped_dek"]

        resigned(dataset, move)
        key = read(dataset).shards[0].key
        message = f"URL/{key}: the shard's key does not unwrap under {KEYS.kek.id}"
        unopened(dataset, message, kind=KeyRejected)

    def test_a_false_dek_of_a_public_dataset_does_not_open(self, tmp_path):
        seal(request(url_of(tmp_path), public=True), Stores(), SealKeys(None, KEYS.signer))
        resigned(tmp_path, lambda document: document["shards"][0].update(dek="00" * 32))
        key = read(tmp_path).shards[0].key
        unopened(tmp_path, f"URL/{key}: its header was altered, or it was sealed under another key", kek=None)


class TestManifest:
    def test_an_older_manifest_put_back_is_named(self, dataset):
        seal(request(url_of(dataset), append=True), Stores(), KEYS)
        assert read(dataset, seen=2).version == 2
        (dataset / "manifest" / "2").unlink()
        message = "older than seen before: version 1 is the highest, version 2 was seen; restore the newer manifest"
        refused(ManifestUnavailable, dataset, f"URL/manifest: {message}", lambda: read(dataset, seen=2))
        shutil.copy(dataset / "manifest" / "1", dataset / "manifest" / "2")
        message = "URL/manifest/2: another version put in its place: it says version 1"
        refused(ManifestUnavailable, dataset, message, lambda: read(dataset, seen=2))

    def test_a_vanished_dataset_is_named(self, dataset):
        shutil.rmtree(dataset / "manifest")
        message = "URL: no dataset here: there is no manifest; check the URL, or seal the dataset first"
        refused(ManifestUnavailable, dataset, message, lambda: read(dataset))
        message = "older than seen before: no manifest is left, version 1 was seen; restore the newer manifest"
        refused(ManifestUnavailable, dataset, f"URL/manifest: {message}", lambda: read(dataset, seen=1))
        message = "URL/manifest/1: this version of the manifest is missing"
        refused(
            ManifestUnavailable, dataset, message, lambda: read_manifest_version(store_of(dataset), 1, signer=OWNER)
        )

    def test_another_owners_signature_is_named(self, dataset):
        document = read(dataset).document()
        theirs = signing.public_name(OTHER.signer)
        manifest = Manifest.model_validate_json(canonical.encode({**document, "owner": theirs}))
        (dataset / "manifest" / "1").write_bytes(encode_manifest(manifest, OTHER.signer))
        message = f"URL/manifest/1: signed by {theirs}, not by {OWNER}"
        refused(SignatureRejected, dataset, message, lambda: read(dataset))
        assert read(dataset, signer=None).owner == theirs  # nobody is pinned: whoever it names

    def test_a_manifest_that_names_one_owner_and_is_signed_by_another_is_refused(self, dataset):
        document = read(dataset).document()
        forged = canonical.encode(signing.sign(document, OTHER.signer, "manifest"))
        (dataset / "manifest" / "1").write_bytes(forged)
        theirs = signing.public_name(OTHER.signer)
        message = f"URL/manifest/1: signed by {theirs}, not by {OWNER}"
        refused(SignatureRejected, dataset, message, lambda: read(dataset, signer=None))
        message = "URL/manifest/1: signed by another key than its owner's"
        refused(ManifestUnavailable, dataset, message, lambda: read(dataset, signer=theirs))

    def test_an_edited_manifest_that_still_parses_is_named(self, dataset):
        path = dataset / "manifest" / "1"
        path.write_bytes(path.read_bytes().replace(b'"records":10', b'"records":11'))
        message = "URL/manifest/1: the signature does not match the content"
        refused(SignatureRejected, dataset, message, lambda: read(dataset))

    def test_a_signature_for_another_kind_of_document_is_worth_nothing(self, dataset):
        document = read(dataset).document()
        (dataset / "manifest" / "1").write_bytes(canonical.encode(signing.sign(document, KEYS.signer, "ledger")))
        message = "URL/manifest/1: the signature does not match the content"
        refused(SignatureRejected, dataset, message, lambda: read(dataset))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "altered: not canonical JSON"),
            (b"[]", "not a manifest of format version 1"),
            (b'{"format_version":2}', "not a manifest of format version 1"),
            (b'{"format_version": 1}', "altered: JSON is not in canonical form (key order, spacing or duplicate keys)"),
        ],
    )
    def test_what_is_no_manifest_is_named(self, dataset, content, message):
        (dataset / "manifest" / "1").write_bytes(content)
        refused(ManifestUnavailable, dataset, f"URL/manifest/1: {message}", lambda: read(dataset))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d.update(extra=1), "extra: Extra inputs are not permitted"),
            (lambda d: d.update(records=11), "records is not the sum over the shards"),
            (lambda d: d.update(records=True), "records: Input should be a valid integer"),
            (lambda d: d.update(public=True), "a ledger is pinned exactly when the dataset is not public"),
            (lambda d: d.update(version=2), "previous is named exactly from version 2 on"),
            (lambda d: d["shards"][0].update(sealed_version=2), "a shard was sealed in a later version"),
            (lambda d: d["shards"][0].update(id=d["shards"][1]["id"]), "a shard is listed twice"),
            (lambda d: d["shards"][0].update(dek="00" * 32), KEY_OR_DEK),
            (lambda d: d["shards"][0].update(wrapped_dek=None), "a wrapped key names the key that wraps it"),
            (lambda d: d["shards"][0].update(id="sh-../../x"), "shards.0.id: String should match pattern " + SHARD_ID),
            (lambda d: d["schema"].update(columns=[]), "schema.columns: " + NO_COLUMNS),
            (lambda d: d["schema"]["columns"][0].update(minimum="0.0"), "a value is not written in its one form"),
        ],
    )
    def test_a_malformed_manifest_is_refused_though_its_owner_signed_it(self, dataset, change, message):
        document = read(dataset).document()
        change(document)
        (dataset / "manifest" / "1").write_bytes(canonical.encode(signing.sign(document, KEYS.signer, "manifest")))
        refused(ManifestUnavailable, dataset, f"URL/manifest/1: malformed: {message}", lambda: read(dataset))

    def test_reading_and_encoding_again_gives_the_same_bytes(self, dataset):
        assert encode_manifest(read(dataset), KEYS.signer) == (dataset / "manifest" / "1").read_bytes()

    def test_only_its_owner_can_sign_a_manifest(self, dataset):
        with pytest.raises(InvalidInput, match="a manifest is signed by the owner it names"):
            encode_manifest(read(dataset), OTHER.signer)

    def test_stray_names_beside_manifests_are_no_versions(self, dataset):
        for name in ("x", "01", "0", "2.bak", "-1"):
            (dataset / "manifest" / name).write_bytes(b"")
        assert read(dataset).version == 1

    def test_ten_follows_nine(self, dataset):
        for start in range(10, 19):
            seal(request(url_of(dataset), source=rows(2, start), append=True), Stores(), KEYS)
        assert read(dataset).version == 10


class TestQuality:
    def test_a_missing_altered_or_replayed_report_is_named(self, dataset):
        path = dataset / "quality" / "1"
        first, manifest = path.read_bytes(), read(dataset)
        path.write_bytes(first[:-1] + bytes([first[-1] ^ 1]))
        message = "URL/quality/1: altered: not the quality report that the manifest lists"
        refused(ShardUnavailable, dataset, message, lambda: open_quality(store_of(dataset), manifest, KEYS.kek))
        path.unlink()
        message = "URL/quality/1: the quality report is missing"
        refused(ShardUnavailable, dataset, message, lambda: open_quality(store_of(dataset), manifest, KEYS.kek))
        path.write_bytes(first)
        second = seal(request(url_of(dataset), append=True), Stores(), KEYS).manifest
        (dataset / "quality" / "2").write_bytes(first)
        replayed = second.model_copy(update={"quality_digest": manifest.quality_digest})
        message = "URL/quality/2: segment 1 of 1 is altered, moved, truncated or belongs to another object"
        refused(ShardUnavailable, dataset, message, lambda: open_quality(store_of(dataset), replayed, KEYS.kek))
