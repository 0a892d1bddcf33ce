"""Fetched and opened shards hold what their manifest lists, of the part that was asked for, or nothing is given."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, request, rows, url_of

from ringfence import canonical
from ringfence.errors import InvalidInput, KeyRejected, ShardUnavailable
from ringfence.shards import records
from ringfence.shards.binding import shard_binding
from ringfence.shards.container import seal_bytes
from ringfence.shards.drawing import FetchedDataset
from ringfence.shards.fetch import shard_key
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import seal
from ringfence.shards.splitting import Splitter
from ringfence.store import Stores


@pytest.fixture
def dataset(tmp_path):
    return tmp_path, seal(request(url_of(tmp_path), source=rows(40), validation="0.5"), Stores(), KEYS).manifest


def store_of(folder):
    return Stores().open(url_of(folder))


def opened(store, manifest, kek=KEYS.kek):
    return open_dataset(store, manifest, kek)


def fetched(store, manifest, kek=KEYS.kek):
    return FetchedDataset.fetch(store, manifest, kek)


def with_first(manifest, **changed):
    """The manifest as its owner might have signed it with the first shard listed otherwise."""
    first = manifest.shards[0].model_copy(update=changed)
    return manifest.model_copy(update={"shards": (first, *manifest.shards[1:])})


@pytest.mark.parametrize("read", [opened, fetched])
def test_a_wrong_key_is_named_before_anything_is_fetched(dataset, read):
    folder, manifest = dataset
    shutil.rmtree(folder / "shards")
    with pytest.raises(KeyRejected, match=f"^{url_of(folder)}: sealed under {KEYS.kek.id}, the key given is"):
        read(store_of(folder), manifest, OTHER.kek)


@pytest.mark.parametrize("read", [opened, fetched])
def test_a_shard_of_more_or_fewer_records_than_listed_is_named(dataset, read):
    folder, manifest = dataset
    held = manifest.shards[0].records
    with pytest.raises(ShardUnavailable, match=f"it holds {held} records, the manifest lists {held + 1}"):
        read(store_of(folder), with_first(manifest, records=held + 1))


@pytest.mark.parametrize("read", [opened, fetched])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda table: records.encode(table.drop_columns("age")), "its columns are not those of the declared schema"),
        (lambda table: records.encode(table.rename_columns(["age", "person", "ward", "ill"])), "its columns are not"),
        (lambda table: b"not Arrow", "it opens, but does not hold Arrow records"),
        (lambda table: bytes(records.encode(table))[:-30], "it opens, but does not hold Arrow records"),
    ],
    ids=["a column less", "other names", "no Arrow", "cut before sealing"],
)
def test_what_opens_and_is_no_shard_of_the_schema_is_named(dataset, read, content, message):
    """Only its owner could have sealed that; still nothing of it is given."""
    folder, manifest = dataset
    shard = manifest.shards[0]
    plain = content(rows(shard.records).cast(manifest.schema_.arrow_schema()))
    binding = shard_binding(manifest.dataset, shard.id, manifest.schema_.digest(), shard.sealed_version, shard.position)
    sealed = seal_bytes(plain, dek=shard_key(manifest, shard, KEYS.kek, ""), aad=binding)
    (folder / shard.key).write_bytes(sealed)
    changed = with_first(manifest, size=len(sealed), digest=canonical.digest(sealed))
    with pytest.raises(ShardUnavailable, match=f"^{url_of(folder)}/{shard.key}: {message}") as refusal:
        read(store_of(folder), changed)
    assert CANARY not in str(refusal.value)


def test_a_fetched_part_is_the_one_that_was_asked_for(dataset):
    folder, manifest = dataset
    for part in ("training", "validation"):
        found = FetchedDataset.fetch(store_of(folder), manifest, KEYS.kek, part=part)
        whole = open_dataset(store_of(folder), manifest, KEYS.kek, part=part)
        assert len(found) == whole.num_rows
        assert found.take(np.arange(len(found))).to_pylist() == whole.to_pylist()


@pytest.mark.parametrize("wrong", [-1, 10**12])
def test_a_record_that_is_not_there_is_refused_and_never_another_one(dataset, wrong):
    folder, manifest = dataset
    found = fetched(store_of(folder), manifest)
    with pytest.raises(InvalidInput, match=f"there are records 0 to {len(found) - 1} only"):
        found.take(np.array([0, wrong]))


def test_a_split_is_told_with_its_own_key_only(dataset):
    _, manifest = dataset
    with pytest.raises(KeyRejected, match=f"^place: the split's key is wrapped under {KEYS.kek.id}$"):
        Splitter(manifest.split, manifest.dataset, OTHER.kek, column="", where="place")
    with pytest.raises(KeyRejected, match="does not unwrap"):
        Splitter(manifest.split, "ds-" + "0" * 32, KEYS.kek, column="", where="place")
    assert isinstance(
        Splitter(manifest.split, manifest.dataset, KEYS.kek, column="", where="").validation(rows()), pa.Array
    )
