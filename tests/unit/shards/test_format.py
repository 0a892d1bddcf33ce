"""A second implementation, written from docs/sealed-shard-format.md alone: it shares no line with ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, OTHER, request, rows, url_of

from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.store import Stores

VECTORS = Path(__file__).parents[2] / "vectors"
KEK = b"K" * 32


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def expand(key, info, length=32):
    found, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([number]), "sha256")
        found += block
    return found[:length]


def fields(*texts):
    return b"".join(struct.pack(">Q", len(text.encode())) + text.encode() for text in texts)


def verified(data, context):
    document = json.loads(data)
    assert canonical(document) == data
    signature = unbase64(document.pop("signature"))
    message = b"ringfence/" + context.encode() + b"\x00" + canonical(document)
    Ed25519PublicKey.from_public_bytes(unbase64(document["key"].removeprefix("ed25519:"))).verify(signature, message)
    return document


def opened(sealed, dek, aad):
    assert sealed[:8] == b"RFSHARD\x01"
    okm = expand(hmac.digest(sealed[8:40], dek, "sha256"), sealed[:40], 64)
    assert hmac.compare_digest(sealed[40:72], okm[32:])
    body, plain, number = sealed[72:], b"", 0
    while body or number == 0:
        segment, body = body[: 65_536 + 16], body[65_536 + 16 :]
        nonce = bytes(7) + struct.pack(">I", number) + (b"\x00" if body else b"\x01")
        plain += AESGCM(okm[:32]).decrypt(nonce, segment, aad)
        number += 1
    return plain


def dataset(objects, kek):
    """All training rows of a dataset given as objects by key."""
    current = max(int(key.removeprefix("manifest/")) for key in objects if key.startswith("manifest/"))
    manifest = verified(objects[f"manifest/{current}"], "manifest")
    assert manifest["format_version"] == 1 and manifest["owner"] == manifest["key"]
    kek_id = "kek:" + hashlib.sha256(expand(kek, b"ringfence/kek/id")).hexdigest()[:16]
    found = []
    for shard in manifest["shards"]:
        if "part" in shard:
            continue
        sealed = objects[f"shards/{shard['id']}"]
        assert (len(sealed), digest(sealed)) == (shard["size"], shard["digest"])
        if manifest["public"]:
            dek = bytes.fromhex(shard["dek"])
        else:
            assert shard["kek"] == kek_id
            wrapped, bound = unbase64(shard["wrapped_dek"]), fields(manifest["dataset"], shard["id"], kek_id)
            dek = AESGCM(expand(kek, b"ringfence/kek/wrap")).decrypt(wrapped[:12], wrapped[12:], bound)
        schema = digest(canonical(manifest["schema"]))
        places = str(shard["sealed_version"]), str(shard["position"])
        plain = opened(sealed, dek, fields(manifest["dataset"], shard["id"], schema, *places))
        reader = pa.ipc.open_file if plain[:6] == b"ARROW1" else pa.ipc.open_stream
        found += reader(pa.py_buffer(plain)).read_all().to_pylist()
    assert len(found) == manifest["records"]
    return found


def objects_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stranger_opens_the_first_releases_dataset():
    vectors = json.loads((VECTORS / "dataset-v1.json").read_text())
    assert dataset({key: bytes.fromhex(text) for key, text in vectors.items()}, KEK) == rows().to_pylist()


@pytest.mark.parametrize("public", [False, True])
def test_a_stranger_opens_what_is_sealed_today(tmp_path, public):
    keys = SealKeys(None if public else KEYS.kek, KEYS.signer)
    source = rows(20_000)
    seal(request(url_of(tmp_path), source=source, shard_records=15_000, public=public), Stores(), keys)
    seal(request(url_of(tmp_path), source=rows(10, 20_000), append=True, public=public), Stores(), keys)
    assert dataset(objects_of(tmp_path), KEK) == rows(20_010).to_pylist()


def test_a_stranger_opens_after_rotation_and_follows_the_handover(tmp_path):
    seal(request(url_of(tmp_path), source=rows(200), validation="0.5"), Stores(), KEYS)
    before = dataset(objects_of(tmp_path), KEK)
    rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=SealKeys(OTHER.kek, OTHER.signer, KEYS.signer)), Stores())
    objects = objects_of(tmp_path)
    assert dataset(objects, b"L" * 32) == before
    manifest = verified(objects["manifest/2"], "manifest")
    (handover,) = manifest["handovers"]
    handover = verified(canonical(handover), "handover")
    assert (handover["key"], handover["successor"]) == (
        verified(objects["manifest/1"], "manifest")["key"],
        manifest["key"],
    )


def test_a_stranger_reads_the_audit_log_and_the_quality_report(tmp_path):
    seal(request(url_of(tmp_path)), Stores(), KEYS)
    seal(request(url_of(tmp_path), source=rows(2, 10), append=True), Stores(), KEYS)
    objects = objects_of(tmp_path)
    first, second = verified(objects["audit/0"], "audit"), verified(objects["audit/1"], "audit")
    assert (first["previous"], second["previous"]) == (None, digest(objects["audit/0"]))
    manifest = verified(objects["manifest/2"], "manifest")
    del manifest["key"]
    assert second["manifest"] == digest(canonical(manifest))
    dek = expand(KEK, b"ringfence/quality/" + manifest["dataset"].encode())
    report = opened(objects["quality/2"], dek, fields(manifest["dataset"], "quality", "2"))
    assert json.loads(report)["records"]["kept"] == 2 and digest(objects["quality/2"]) == manifest["quality_digest"]
