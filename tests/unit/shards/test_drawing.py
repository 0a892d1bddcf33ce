"""Records at random from fetched shards, sources as streams, and the split: what is bounded stays right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, SCHEMA, request, rows, url_of

from ringfence import canonical
from ringfence.errors import InvalidInput, InvalidRows, ShardUnavailable, StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.schema import DatasetSchema
from ringfence.shards import container, records
from ringfence.shards.container import SEGMENT, Sealed, seal_bytes
from ringfence.shards.drawing import FetchedDataset
from ringfence.shards.fingerprints import Seen, fingerprints
from ringfence.shards.gather import Gathering
from ringfence.shards.manifest import Manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.sources import Source
from ringfence.store import Stores

NEW_KEK = SealKeys(OTHER.kek, KEYS.signer)


def store_of(folder):
    return Stores().open(url_of(folder))


@pytest.fixture
def big(tmp_path):
    """Three shards of several segments each."""
    source = rows(30_000)
    return (
        tmp_path,
        seal(request(url_of(tmp_path), source=source, shard_records=12_000), Stores(), KEYS).manifest,
        source,
    )


@pytest.mark.parametrize("on_disk", [False, True])
def test_records_at_random_are_those_of_the_whole(big, tmp_path_factory, on_disk):
    folder, manifest, source = big
    place = tmp_path_factory.mktemp("fetched") if on_disk else None
    fetched = FetchedDataset.fetch(store_of(folder), manifest, KEYS.kek, folder=place)
    assert len(fetched) == 30_000
    indices = np.random.default_rng(0).integers(0, 30_000, 500)
    assert fetched.take(indices).to_pylist() == source.take(pa.array(indices)).to_pylist()
    assert fetched.take(np.array([29_999, 0, 0, 12_000])).to_pylist() == source.take([29_999, 0, 0, 12_000]).to_pylist()
    assert fetched.take(np.array([], np.int64)).num_rows == 0
    with pytest.raises(InvalidInput, match="there are records 0 to 29999 only"):
        fetched.take(np.array([30_000]))
    if place is not None:
        for path in place.iterdir():
            assert CANARY.encode() not in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(StoreError, match="cannot keep a sealed shard here: File exists"):
            FetchedDataset.fetch(store_of(folder), manifest, KEYS.kek, folder=place)


def test_a_record_is_opened_with_its_segments_only(big, monkeypatch):
    folder, manifest, source = big
    fetched = FetchedDataset.fetch(store_of(folder), manifest, KEYS.kek)
    opened = []
    real = Sealed._open
    monkeypatch.setattr(Sealed, "_open", lambda self, a, b, p: (opened.append(b - a), real(self, a, b, p))[1])
    assert fetched.take(np.array([20_000])).to_pylist() == source.slice(20_000, 1).to_pylist()
    whole = sum(-(-shard.size // SEGMENT) for shard in manifest.shards)
    assert sum(opened) <= 6 < whole


def test_a_bad_segment_is_named_when_it_is_drawn_and_nothing_of_it_is_released():
    data = records.encode(rows(20_000))
    sealed = bytearray(seal_bytes(data, dek=b"D" * 32, aad=b"a"))
    number = 3
    sealed[container._BODY + number * container._STEP + 5] ^= 1
    found = Sealed(sealed, dek=b"D" * 32, aad=b"a", where="s3://mercy/shards/x")
    assert bytes(found.read(0, 3 * SEGMENT)) == bytes(data[: 3 * SEGMENT])
    message = r"^s3://mercy/shards/x: segment 4 of \d+ is altered, moved, truncated or belongs to another object$"
    with pytest.raises(ShardUnavailable, match=message):
        found.read(3 * SEGMENT - 1, 3 * SEGMENT + 1)
    file = records.RecordFile(found)
    with pytest.raises(ShardUnavailable, match=message):
        file.take(np.arange(20_000))


def test_a_shard_ends_at_its_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.shards.writing._LARGEST", 100_000)
    manifest = seal(request(url_of(tmp_path), source=rows(30_000), shard_records=30_000), Stores(), KEYS).manifest
    assert len(manifest.shards) > 5 and max(shard.size for shard in manifest.shards) < 150_000
    assert open_dataset(store_of(tmp_path), manifest, KEYS.kek).to_pylist() == rows(30_000).to_pylist()
    assert [shard.position for shard in manifest.shards] == list(range(len(manifest.shards)))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_source_of_many_blocks_is_read_as_the_small_one_is(tmp_path, kind):
    path, source = tmp_path / f"rows.{kind}", rows(120_000)
    if kind == "csv":
        pa.csv.write_csv(source, path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in source.to_pylist()))
    else:
        pq.write_table(source, path)
    tables = list(Source(path, SCHEMA).tables())
    assert len(tables) > 3 and max(table.num_rows for table in tables) < 60_000
    assert pa.concat_tables(tables).select(source.column_names).to_pylist() == source.to_pylist()


def test_a_word_in_the_last_block_makes_its_whole_column_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("age,ward,person,ill\n" + "61,north,p,true\n" * 100_000 + "CANARY,north,q,true\n")
    types = {table.schema.field("age").type for table in Source(path, SCHEMA).tables()}
    assert types == {pa.string()}
    with pytest.raises(InvalidRows, match=r"from record \d+ on: column 'age': 1 of") as refusal:
        seal(request(url_of(tmp_path / "data"), source=path), Stores(), KEYS)
    assert "CANARY" not in str(refusal.value) and not (tmp_path / "data").exists()


def test_a_source_that_changes_between_its_readings_is_refused_and_nothing_published(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("age,ward,person,ill\n" + "61,north,p,true\n62,north,q,false\n" * 5)
    from ringfence.shards import seal as module

    real = module.second_reading

    def longer(*given):
        path.write_text(path.read_text() + "63,north,r,true\n")
        return real(*given)

    monkeypatch.setattr(module, "second_reading", longer)
    with pytest.raises(InvalidRows, match="the source changed while it was sealed; seal it again"):
        seal(request(url_of(tmp_path / "data"), source=path), Stores(), KEYS)
    assert not (tmp_path / "data" / "manifest").exists() and not any((tmp_path / "data" / "shards").iterdir())


def test_duplicates_are_dropped_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("ringfence.shards.sources._BLOCK", 7)
    schema = DatasetSchema.model_validate({**SCHEMA.document(), "drop_exact_duplicates": True})
    source = pa.concat_tables([rows(10)] * 50)
    result = seal(request(url_of(tmp_path), source=source, schema=schema), Stores(), KEYS)
    assert (result.manifest.records, result.duplicates) == (10, 490)
    assert open_dataset(store_of(tmp_path), result.manifest, KEYS.kek).to_pylist() == rows(10).to_pylist()


@pytest.mark.parametrize("most", [{"_SAMPLE": 20}, {"_SAMPLE_BYTES": 500}], ids=["records", "bytes"])
def test_the_sample_of_a_long_source_is_every_nth_record_whatever_its_blocks(monkeypatch, most):
    for name, value in {**most, "_PIECES": 3}.items():
        monkeypatch.setattr(f"ringfence.shards.gather.{name}", value)
    whole = rows(301).set_column(3, "ill", pa.array([number % 3 == 0 for number in range(301)]))
    for block in (3, 40, 2000):
        monkeypatch.setattr("ringfence.shards.sources._BLOCK", block)
        gathering = Gathering(Source(whole, SCHEMA))
        assert sum(table.num_rows for table in gathering.tables()) == gathering.result().kept == 301
        sample = gathering.result().table
        step = next(2**n for n in range(12) if len(range(0, 301, 2**n)) == sample.num_rows)
        assert step > 8 and sample.to_pylist() == whole.to_pylist()[::step]


def test_hashes_tell_rows_apart_and_depend_on_the_key():
    table = rows(1000)
    one = fingerprints(table, b"k")
    assert len(set(one.tolist())) == 1000 and not set(one.tolist()) & set(fingerprints(table, b"l").tolist())
    assert fingerprints(table.slice(500), b"k").tolist() == one[500:].tolist()
    seen = Seen()
    masks = [seen.new(part) for part in (one[:300], one[100:900], one, one[::-1])]
    assert [int(mask.sum()) for mask in masks] == [300, 600, 100, 0] and len(seen) == 1000


class TestSplit:
    def test_units_fall_whole_on_one_side_and_appended_rows_follow(self, tmp_path):
        given = {"source": rows(2000), "unit": "User:person", "shard_records": 300}
        first = seal(request(url_of(tmp_path), **given, validation="0.2"), Stores(), KEYS)
        manifest = first.manifest
        sides = self.sides(tmp_path, manifest)
        assert not sides["training"] & sides["validation"] and len(sides["training"] | sides["validation"]) == 1000
        assert 130 < len(sides["validation"]) < 270
        assert (manifest.units, manifest.records) == (len(sides["training"]), 2 * len(sides["training"]))
        assert manifest.validation_records == 2 * len(sides["validation"])
        rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=NEW_KEK), Stores())
        again = request(url_of(tmp_path), **given, append=True)
        manifest = seal(again, Stores(), NEW_KEK).manifest
        assert self.sides(tmp_path, manifest, NEW_KEK.kek) == sides
        assert manifest.units == len(sides["training"])

    def test_equal_records_fall_on_one_side(self, tmp_path):
        source = pa.concat_tables([rows(500)] * 2)
        manifest = seal(
            request(url_of(tmp_path), source=source, validation="0.5", shard_records=99), Stores(), KEYS
        ).manifest
        parts = [
            {tuple(row.values()) for row in open_dataset(store_of(tmp_path), manifest, KEYS.kek, part=part).to_pylist()}
            for part in ("training", "validation")
        ]
        assert not parts[0] & parts[1] and sum(map(len, parts)) == 500

    def test_jobs_are_given_training_shards_only(self, tmp_path):
        manifest = seal(request(url_of(tmp_path), source=rows(200), validation="0.5"), Stores(), KEYS).manifest
        assert sum(shard.records for shard in manifest.training) == manifest.records < 200
        assert open_dataset(store_of(tmp_path), manifest, KEYS.kek).num_rows == manifest.records
        members = Ledger.open(store_of(tmp_path), pin=manifest.ledger.entry0).view.members
        assert members == {shard.id for shard in manifest.shards}

    def test_the_key_is_wrapped_and_never_in_the_clear_but_in_public(self, tmp_path):
        manifest = seal(request(url_of(tmp_path / "a"), source=rows(50), validation="0.20"), Stores(), KEYS).manifest
        assert (manifest.split.share, manifest.split.kek, manifest.split.key) == ("0.2", KEYS.kek.id, None)
        keys = SealKeys(None, KEYS.signer)
        public = request(url_of(tmp_path / "b"), source=rows(50), validation="0.2", public=True)
        assert seal(public, Stores(), keys).manifest.split.key is not None
        assert Manifest.model_validate_json(canonical.encode(manifest.document())) == manifest

    @pytest.mark.parametrize("share", ["0", "1", "-0.5", "0.0000001", "x", "nan", "20%"])
    def test_a_share_that_is_none_is_refused(self, tmp_path, share):
        with pytest.raises(InvalidInput, match="is not a share"):
            seal(request(url_of(tmp_path), validation=share), Stores(), KEYS)
        assert not (tmp_path / "manifest").exists()

    def test_a_split_is_made_once(self, tmp_path):
        seal(request(url_of(tmp_path)), Stores(), KEYS)
        with pytest.raises(InvalidInput, match="the split of a dataset is made with it, and appended rows follow it"):
            seal(request(url_of(tmp_path), append=True, validation="0.2"), Stores(), KEYS)

    def test_a_split_that_leaves_nothing_to_train_on_is_refused(self, tmp_path):
        one = pa.concat_tables([rows(1)] * 2).set_column(3, "ill", pa.array([True, False]))
        one = one.set_column(2, "person", pa.array(["p", "p"]))
        with pytest.raises(InvalidRows, match="the split leaves no record to train on; take a smaller share"):
            seal(request(url_of(tmp_path), source=one, unit="User:person", validation="0.999999"), Stores(), KEYS)
        assert not (tmp_path / "manifest").exists()

    def sides(self, folder, manifest, kek=KEYS.kek):
        return {
            part: set(open_dataset(store_of(folder), manifest, kek, part=part).column("person").to_pylist())
            for part in ("training", "validation")
        }
