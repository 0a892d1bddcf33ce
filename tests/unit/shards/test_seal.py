"""Sealing: what a dataset is once it is sealed, and what is refused before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, SCHEMA, request, rows, url_of

from ringfence import signing
from ringfence.errors import (
    InvalidInput,
    InvalidRows,
    KeyRejected,
    LedgerOwned,
    ManifestUnavailable,
    SchemaMismatch,
    SignatureRejected,
    StoreError,
)
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.schema import DatasetSchema
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

DECLARE = "declare it with `role: unit` and type identifier"
OWNER = signing.public_name(KEYS.signer)


def sealed(folder, keys=KEYS, **changed):
    return seal(request(url_of(folder), **changed), Stores(), keys)


def store_of(folder):
    return Stores().open(url_of(folder))


def refused(kind, folder, message, keys=KEYS, **changed):
    before = snapshot(folder)
    with pytest.raises(kind) as refusal:
        sealed(folder, keys, **changed)
    assert str(refusal.value) == message.replace("URL", url_of(folder), message.startswith("URL"))
    assert CANARY not in str(refusal.value)
    assert snapshot(folder) == before


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_sealed_is_opened_again(tmp_path):
    result = sealed(tmp_path)
    manifest = read_manifest(store_of(tmp_path), signer=OWNER)
    assert manifest == result.manifest and result.url == url_of(tmp_path)
    assert open_dataset(store_of(tmp_path), manifest, KEYS.kek).to_pylist() == rows().to_pylist()
    assert [shard.records for shard in manifest.shards] == [4, 4, 2]
    assert (manifest.version, manifest.records, manifest.units, manifest.previous) == (1, 10, 10, None)
    assert [shard.position for shard in manifest.shards] == [0, 1, 2]


def test_no_row_and_no_statistic_lies_in_the_clear(tmp_path):
    sealed(tmp_path, source=rows(50))
    for path, content in snapshot(tmp_path).items():
        assert CANARY.encode() not in content, path


def test_manifests_of_different_rows_say_the_same(tmp_path):
    """But for random names, keys and digests, nothing in a manifest depends on values of rows."""
    other = rows(10, 40).set_column(0, "age", pa.array([99] * 10))
    said = []
    for name, source in {"a": rows(), "b": other}.items():
        document = sealed(tmp_path / name, source=source).manifest.document()
        for random in ("dataset", "ledger", "quality_digest"):
            del document[random]
        for shard in document["shards"]:
            for random in ("id", "digest", "wrapped_dek"):
                del shard[random]
        said.append(document)
    assert said[0] == said[1]


def test_the_quality_report_opens_with_the_key_only(tmp_path):
    manifest = sealed(tmp_path).manifest
    assert open_quality(store_of(tmp_path), manifest, KEYS.kek)["records"]["kept"] == 10
    with pytest.raises(KeyRejected, match=f"sealed under {KEYS.kek.id}, the key given is {OTHER.kek.id}"):
        open_quality(store_of(tmp_path), manifest, OTHER.kek)
    assert b"records" not in (tmp_path / "quality" / "1").read_bytes()


def test_the_manifest_pins_a_ledger_that_knows_the_shards_as_fresh(tmp_path):
    manifest = sealed(tmp_path).manifest
    view = Ledger.open(store_of(tmp_path), pin=manifest.ledger.entry0).view
    assert manifest.ledger.url == url_of(tmp_path)
    assert (view.dataset, view.unit, view.owner_key) == (manifest.dataset, "Record", OWNER)
    assert set(view.blocks) == {shard.id for shard in manifest.shards}
    assert {block.inherits for block in view.blocks.values()} == {()}


def test_a_ledger_may_lie_elsewhere(tmp_path):
    manifest = sealed(tmp_path / "data", ledger_url=url_of(tmp_path / "ledgers")).manifest
    assert manifest.ledger.url == url_of(tmp_path / "ledgers")
    assert not (tmp_path / "data" / "ledger").exists()
    assert Ledger.open(store_of(tmp_path / "ledgers"), pin=manifest.ledger.entry0).view.dataset == manifest.dataset


def test_a_user_dataset_counts_persons_and_keeps_one_block(tmp_path):
    manifest = sealed(tmp_path, unit="User:person").manifest
    assert (manifest.unit, manifest.records, manifest.units) == ("User:person", 10, 5)
    view = Ledger.open(store_of(tmp_path), pin=manifest.ledger.entry0).view
    assert view.unit == "User" and len(view.blocks) == 1 and len(view.members) == 3


def test_a_public_dataset_needs_no_key_and_no_ledger(tmp_path):
    manifest = sealed(tmp_path, SealKeys(None, KEYS.signer), public=True).manifest
    assert manifest.public and manifest.ledger is None and not (tmp_path / "ledger").exists()
    assert open_dataset(store_of(tmp_path), manifest, None).to_pylist() == rows().to_pylist()
    assert open_quality(store_of(tmp_path), manifest, None)["records"]["kept"] == 10


def test_dropped_records_are_counted_by_column(tmp_path):
    source = rows().set_column(0, "age", pa.array([None, None, *range(8)], pa.int64()))
    result = sealed(tmp_path, source=source)
    assert (result.read, result.manifest.records, dict(result.dropped), result.duplicates) == (10, 8, {"age": 2}, 0)


def test_a_file_is_sealed_as_its_table_is(tmp_path):
    lines = "".join(
        f"{age},{ward},{who},{ill}\n" for age, ward, who, ill in zip(*rows().to_pydict().values(), strict=True)
    )
    (tmp_path / "rows.csv").write_text("age,ward,person,ill\n" + lines)
    manifest = sealed(tmp_path / "data", source=tmp_path / "rows.csv").manifest
    assert open_dataset(store_of(tmp_path / "data"), manifest, KEYS.kek).to_pylist() == rows().to_pylist()


def test_progress_is_told_for_every_shard(tmp_path):
    seen = []
    manifest = seal(request(url_of(tmp_path)), Stores(), KEYS, lambda *step: seen.append(step)).manifest
    open_dataset(store_of(tmp_path), manifest, KEYS.kek, lambda *step: seen.append(step))
    sealing = [("sealing records", done, 10) for done in (4, 8, 10)]
    assert seen == sealing + [("opening shards", done, 3) for done in (1, 2, 3)]


def test_shard_ids_are_random_and_not_digests(tmp_path):
    ids = [shard.id for name in "ab" for shard in sealed(tmp_path / name).manifest.shards]
    assert len(set(ids)) == 6


class TestAppend:
    def test_appended_rows_follow_and_nothing_is_resealed(self, tmp_path):
        first = sealed(tmp_path).manifest
        objects = {path: data for path, data in snapshot(tmp_path).items() if "shards" in str(path)}
        second = sealed(tmp_path, source=rows(5, 10), append=True, new_records=True).manifest
        assert (second.version, second.records, second.previous) == (2, 15, first.digest())
        assert second.shards[:3] == first.shards and [shard.position for shard in second.shards] == [0, 1, 2, 3, 4]
        assert [shard.sealed_version for shard in second.shards] == [1, 1, 1, 2, 2]
        assert objects.items() <= snapshot(tmp_path).items()
        assert open_dataset(store_of(tmp_path), second, KEYS.kek).to_pylist() == rows(15).to_pylist()
        assert open_dataset(store_of(tmp_path), first, KEYS.kek).num_rows == 10
        assert second.ledger == first.ledger and second.dataset == first.dataset

    @pytest.mark.parametrize("new_records", [False, True])
    def test_appended_rows_inherit_unless_the_owner_says_they_are_new(self, tmp_path, new_records):
        first = {shard.id for shard in sealed(tmp_path).manifest.shards}
        manifest = sealed(tmp_path, append=True, new_records=new_records).manifest
        view = Ledger.open(store_of(tmp_path), pin=manifest.ledger.entry0).view
        for shard in manifest.shards[3:]:
            assert set(view.blocks[shard.id].inherits) == (set() if new_records else first)

    def test_persons_are_counted_once_over_versions(self, tmp_path):
        sealed(tmp_path, unit="User:person")
        assert sealed(tmp_path, unit="User:person", source=rows(4, 8), append=True).manifest.units == 6

    def test_a_public_dataset_grows_without_a_key(self, tmp_path):
        keys = SealKeys(None, KEYS.signer)
        sealed(tmp_path, keys, public=True)
        assert sealed(tmp_path, keys, public=True, append=True).manifest.records == 20

    def test_appended_rows_may_hold_one_class(self, tmp_path):
        sealed(tmp_path)
        source = rows(4).set_column(3, "ill", pa.array([True] * 4))
        assert sealed(tmp_path, source=source, append=True).manifest.records == 14

    def test_nothing_to_append_is_refused(self, tmp_path):
        sealed(tmp_path)
        refused(InvalidRows, tmp_path, "there are no records to append; check the source", source=rows(0), append=True)

    def test_append_to_nothing_is_refused(self, tmp_path):
        message = "URL: no dataset here: there is no manifest; check the URL, or seal the dataset first"
        refused(ManifestUnavailable, tmp_path, message, append=True)

    def test_another_owner_cannot_append(self, tmp_path):
        sealed(tmp_path)
        message = f"URL/manifest/1: signed by {OWNER}, not by {signing.public_name(OTHER.signer)}"
        refused(SignatureRejected, tmp_path, message, SealKeys(KEYS.kek, OTHER.signer), append=True)

    def test_another_key_cannot_append(self, tmp_path):
        sealed(tmp_path)
        remedy = "name the key file that the dataset was sealed with; if it is lost, so are these rows: seal them again"
        message = f"URL: sealed under {KEYS.kek.id}, the key given is {OTHER.kek.id}; {remedy}"
        refused(KeyRejected, tmp_path, message, SealKeys(OTHER.kek, KEYS.signer), append=True)

    def test_unit_and_publicness_stay_as_they_are(self, tmp_path):
        sealed(tmp_path)
        message = "URL: this is a dataset of unit Record, and stays so"
        refused(InvalidInput, tmp_path, message, append=True, public=True)
        refused(InvalidInput, tmp_path, message, append=True, unit="User:person")

    def test_another_schema_is_refused_with_the_difference(self, tmp_path):
        sealed(tmp_path)
        document = SCHEMA.document()
        document["columns"][0]["maximum"] = "150"
        message = "URL: column 'age' has range 0 to 150, not 0 to 120; append with the schema of its manifest"
        refused(SchemaMismatch, tmp_path, message, append=True, schema=DatasetSchema.model_validate(document))
        document = {**SCHEMA.document(), "description": "other"}
        message = "URL: descriptions, or how missing and outlying values are treated, differ; append with the schema of"
        message += " its manifest"
        refused(SchemaMismatch, tmp_path, message, append=True, schema=DatasetSchema.model_validate(document))


class TestRefused:
    def test_a_second_seal_to_the_same_place(self, tmp_path):
        sealed(tmp_path)
        refused(InvalidInput, tmp_path, "URL: there is a dataset already; append to it, or seal to another URL")

    def test_a_ledger_of_another_owner(self, tmp_path):
        sealed(tmp_path, OTHER)
        (tmp_path / "manifest" / "1").unlink()
        message = f"URL/ledger/0: this ledger was opened by {signing.public_name(OTHER.signer)}; "
        refused(LedgerOwned, tmp_path, message + "seal to another URL, or with that owner's keys")

    def test_an_empty_silo_leaves_nothing(self, tmp_path):
        refused(InvalidRows, tmp_path, "there are no records to seal; check the source", source=rows(0))

    def test_a_silo_that_cleaning_empties_leaves_nothing(self, tmp_path):
        source = rows(3).set_column(0, "age", pa.nulls(3, pa.int64()))
        with pytest.raises(InvalidRows, match="there are no records to seal; cleaning dropped all 3"):
            sealed(tmp_path, source=source)
        assert snapshot(tmp_path) == {}

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (rows().drop_columns("ward"), "the rows have no column 'ward'"),
            (rows().set_column(3, "ill", pa.array([True] * 10)), "the label 'ill' holds one class only in 10 records"),
            (rows().set_column(2, "person", pa.array([None] + ["p"] * 9)), "1 of 10 values are missing"),
            (rows().set_column(0, "age", pa.array([121] * 10)), "10 of 10 values are not whole numbers from 0 to 120"),
            (
                rows().set_column(1, "ward", pa.array([CANARY] * 10)),
                "10 of 10 values are not among the declared values",
            ),
        ],
        ids=["missing column", "one class", "unit with nulls", "out of range", "unknown category"],
    )
    def test_bad_rows_leave_nothing(self, tmp_path, source, message):
        with pytest.raises(InvalidRows) as refusal:
            sealed(tmp_path, source=source, unit="User:person")
        assert message in str(refusal.value) and CANARY not in str(refusal.value)
        assert snapshot(tmp_path) == {}

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"unit": "Ward"}, "URL: unit 'Ward' is not Record, User:<column> or Silo"),
            ({"unit": "User:"}, "URL: unit 'User:' is not Record, User:<column> or Silo"),
            (
                {"unit": "User:age"},
                "URL: unit 'User:age' names a column that is not the schema's unit column; " + DECLARE,
            ),
            ({"shard_records": 0}, "URL: a shard holds at least one record"),
            ({"public": True, "ledger_url": "file:///x"}, "URL: a public dataset has no ledger"),
            ({"new_records": True}, "URL: new_records is said of appended rows only"),
            (
                {"append": True, "ledger_url": "file:///x"},
                "URL: appended rows are accounted for in the dataset's own ledger",
            ),
            (
                {"append": True, "new_records": True, "unit": "User:person"},
                "URL: appended rows of unit User or Silo inherit what was spent",
            ),
        ],
    )
    def test_a_request_that_contradicts_itself(self, tmp_path, changed, message):
        refused(InvalidInput, tmp_path, message, **changed)

    def test_sealing_without_a_key(self, tmp_path):
        message = "URL: a key is needed to seal: name the owner's key file"
        refused(InvalidInput, tmp_path, message, SealKeys(None, KEYS.signer))

    def test_an_unwritable_store(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="Not a directory"):
            sealed(tmp_path / "file")


def test_a_request_names_everything_by_keyword():
    with pytest.raises(TypeError):
        SealRequest(rows(), "file:///x", SCHEMA)
