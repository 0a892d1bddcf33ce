"""What a release sealed, every later one opens. The vectors are never regenerated: a new format is a new file."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, rows

from ringfence import signing
from ringfence.errors import ShardUnavailable
from ringfence.shards import container
from ringfence.shards.binding import shard_binding
from ringfence.shards.container import open_bytes
from ringfence.shards.manifest import encode_manifest, read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

VECTORS = Path(__file__).parents[2] / "vectors"
OBJECTS = json.loads((VECTORS / "sealed-object-v1.json").read_text())
DATASET = json.loads((VECTORS / "dataset-v1.json").read_text())


def plaintext(vector):
    unit, length = bytes.fromhex(vector["plaintext_repeats"]), vector["plaintext_length"]
    return (unit * (length // max(1, len(unit)) + 1))[:length]


def binding(vector):
    return shard_binding(*(vector[name] for name in ("dataset", "shard", "schema_digest", "version", "position")))


@pytest.mark.parametrize("vector", OBJECTS, ids=lambda vector: vector["name"])
def test_a_vector_opens_as_it_says_and_encodes_to_the_same_bytes(vector):
    dek, salt = bytes.fromhex(vector["dek"]), bytes.fromhex(vector["salt"])
    sealed = container._seal(plaintext(vector), dek, binding(vector), salt)
    assert hashlib.sha256(sealed).hexdigest() == vector["sealed_sha256"]
    if vector["sealed"] is not None:
        assert sealed.hex() == vector["sealed"]
    assert bytes(open_bytes(sealed, dek=dek, aad=binding(vector), where="")) == plaintext(vector)
    with pytest.raises(ShardUnavailable):
        open_bytes(sealed, dek=dek, aad=binding({**vector, "position": vector["position"] + 1}), where="")


@pytest.mark.parametrize(
    "vector", [vector for vector in OBJECTS if vector["sealed"]], ids=lambda vector: vector["name"]
)
def test_a_vector_opens_by_the_written_format_without_our_code(vector):
    """A second implementation: one segment, by the text of the container's description alone."""
    sealed, dek = bytes.fromhex(vector["sealed"]), bytes.fromhex(vector["dek"])
    header, commitment, segment = sealed[:40], sealed[40:72], sealed[72:]
    assert header == b"RFSHARD\x01" + bytes.fromhex(vector["salt"])
    okm = HKDF(SHA256(), 64, salt=header[8:], info=header).derive(dek)
    assert commitment == okm[32:]
    fields = [
        vector["dataset"],
        vector["shard"],
        vector["schema_digest"],
        str(vector["version"]),
        str(vector["position"]),
    ]
    aad = b"".join(len(field).to_bytes(8, "big") + field.encode() for field in fields)
    assert AESGCM(okm[:32]).decrypt(bytes(7) + bytes(4) + b"\x01", segment, aad) == plaintext(vector)


def test_a_dataset_of_an_earlier_release_opens(tmp_path):
    for key, content in DATASET.items():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(bytes.fromhex(content))
    store = Stores().open(f"file://{tmp_path}")
    manifest = read_manifest(store, signer=signing.public_name(KEYS.signer))
    assert open_dataset(store, manifest, KEYS.kek).to_pylist() == rows().to_pylist()
    assert open_quality(store, manifest, KEYS.kek)["records"]["kept"] == 10
    assert encode_manifest(manifest, KEYS.signer).hex() == DATASET["manifest/1"]
