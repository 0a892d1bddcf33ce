"""Any table round-trips through a sealed dataset, and a changed object of it is named and opens nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence import signing
from ringfence.errors import ManifestUnavailable, ShardUnavailable, SignatureRejected
from ringfence.schema import DatasetSchema
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.store import Stores

KEYS = SealKeys(Kek(b"K" * 32), Ed25519PrivateKey.from_private_bytes(b"S" * 32))
OWNER = signing.public_name(KEYS.signer)
SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "whole", "type": "integer", "minimum": "-100", "maximum": "100"},
            {"name": "real", "type": "number", "minimum": "-1", "maximum": "1"},
            {"name": "kind", "type": "category", "values": ["a", "ü", "long value"]},
            {"name": "who", "type": "identifier", "role": "unit"},
            {"name": "flag", "type": "boolean"},
        ]
    }
)
records = st.tuples(
    st.integers(-100, 100),
    st.floats(-1, 1),
    st.sampled_from(["a", "ü", "long value"]),
    st.from_regex(r"[^\s\x00](.{0,20}[^\s\x00])?", fullmatch=True).filter(lambda text: text == text.strip()),
    st.booleans(),
)


def sealed(folder: Path, rows: list[tuple[object, ...]], size: int, **changed: object) -> None:
    columns = zip(*rows, strict=True)
    table = pa.table(dict(zip((column.name for column in SCHEMA.columns), map(list, columns), strict=True)))
    request = SealRequest(source=table, url=f"file://{folder}", schema=SCHEMA, shard_records=size, **changed)
    seal(request, Stores(), KEYS)


@settings(deadline=None, max_examples=25)
@given(st.lists(records, min_size=1, max_size=30), st.integers(1, 12), st.booleans(), st.integers(0, 30))
def test_any_table_opens_as_it_was_sealed(rows, size, public, cut):
    first, second = rows[:cut], rows[cut:]
    with tempfile.TemporaryDirectory() as name:
        for part in (part for part in (first, second) if part):
            sealed(Path(name), part, size, public=public, append=(Path(name) / "manifest").exists())
        store = Stores().open(f"file://{name}")
        manifest = read_manifest(store, signer=OWNER)
        table = open_dataset(store, manifest, None if public else KEYS.kek)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert table.schema == SCHEMA.arrow_schema()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    sealed(folder, [(n, n / 100, "a", f"CANARY{n}", n % 2 == 0) for n in range(40)], 10)
    sealed(folder, [(n, n / 100, "ü", f"CANARY{n}", n % 2 == 0) for n in range(40)], 10, append=True)
    return folder


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_change_to_any_object_opens(dataset, data):
    """Flips, cuts, additions, and objects in one another's place: of shards and manifests alike."""
    objects = sorted(path for name in ("shards", "manifest") for path in (dataset / name).iterdir())
    path, other = data.draw(st.sampled_from(objects)), data.draw(st.sampled_from(objects))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    changes = [flipped, whole[:place], whole + whole[: place + 1], other.read_bytes()]
    changed = data.draw(st.sampled_from(changes))
    if changed == whole:
        return
    store = Stores().open(f"file://{dataset}")
    try:
        path.write_bytes(changed)
        if path.parent.name == "manifest" and path.name != "2":
            assert open_dataset(store, read_manifest(store, signer=OWNER), KEYS.kek).num_rows == 80  # not current
            return
        with pytest.raises((ShardUnavailable, ManifestUnavailable, SignatureRejected)) as refusal:
            open_dataset(store, read_manifest(store, signer=OWNER), KEYS.kek)
    finally:
        path.write_bytes(whole)
    assert refusal.value.where == f"file://{dataset}/{path.relative_to(dataset)}"
    assert "CANARY" not in str(refusal.value)
