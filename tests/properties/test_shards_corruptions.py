"""A thousand random corruptions of a dataset in its store: none opens, and each refusal names the object."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "shards"))

from shard_samples import CANARY, KEYS, OTHER, request, rows, url_of

from ringfence import canonical, signing
from ringfence.errors import KeyRejected, ManifestUnavailable, ShardUnavailable, SignatureRejected
from ringfence.shards import records
from ringfence.shards.binding import shard_binding
from ringfence.shards.container import seal_bytes
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import SealKeys, seal
from ringfence.store import Stores

OWNER = signing.public_name(KEYS.signer)
REFUSALS = (KeyRejected, ShardUnavailable, ManifestUnavailable, SignatureRejected)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """A private and a public dataset of two versions, and another of the same owner to take objects from."""
    made = []
    for name in ("private", "public", "another"):
        folder, keys = tmp_path_factory.mktemp(name), KEYS if name != "public" else SealKeys(None, KEYS.signer)
        for append in (False, True):
            given = request(url_of(folder), source=rows(12, 12 * append), append=append, public=name == "public")
            seal(given, Stores(), keys)
        made.append(folder)
    return made


def corruptions(draw, folder, other):
    """One corrupted object: its path and its new content, None where it is taken away."""
    paths = sorted([*(folder / "shards").iterdir(), folder / "manifest" / "2"])
    path = draw.choice(paths)
    whole = path.read_bytes()
    place = draw.randrange(len(whole))
    flipped = whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]
    theirs = sorted((other / path.parent.name).iterdir())
    kinds = [flipped, whole[:place], whole + draw.randbytes(1 + draw.randrange(40)), draw.choice(paths).read_bytes(),
             draw.choice(theirs).read_bytes(), (folder / "manifest" / "1").read_bytes(), None]  # fmt: skip
    if path.parent.name == "manifest":
        kinds += [edited(draw, whole, "no"), edited(draw, whole, "by another"), edited(draw, whole, "and owned")]
    elif folder.name.startswith("public"):
        kinds.append(sealed_again(folder, path))
    return path, draw.choice(kinds)


def sealed_again(folder, path):
    """Other rows under the shard's own key, which a public manifest shows to everybody."""
    manifest = read_manifest(Stores().open(url_of(folder)), signer=OWNER)
    shard = next(shard for shard in manifest.shards if path.name == shard.id)
    binding = shard_binding(manifest.dataset, shard.id, manifest.schema_.digest(), shard.sealed_version, shard.position)
    theirs = rows(shard.records, 500).cast(manifest.schema_.arrow_schema())
    return seal_bytes(records.encode(theirs), dek=bytes.fromhex(shard.dek), aad=binding)


def edited(draw, whole, signed):
    """The manifest with one value changed so that it still parses, signed no more, or by another, who may also say that
    it is theirs."""
    document = canonical.decode(whole)
    shard = draw.choice(document["shards"])
    name, value = draw.choice([("records", 1), ("position", 99), ("sealed_version", 1), ("size", 7), ("kek", "x")])
    shard[name] = value
    if signed != "no":
        del document["key"], document["signature"]
        document |= {"owner": signing.public_name(OTHER.signer)} if signed == "and owned" else {}
        document = signing.sign(document, OTHER.signer, "manifest")
    return canonical.encode(document)


@pytest.mark.parametrize("kind", ["private", "public"])
def test_none_of_five_hundred_corruptions_opens(datasets, kind):
    folder, other = datasets[kind == "public"], datasets[2]
    kek, draw, store = (None if kind == "public" else KEYS.kek), random.Random(kind), Stores().open(url_of(folder))
    done = 0
    while done < 500:
        path, content = corruptions(draw, folder, other)
        whole = path.read_bytes()
        if content == whole:
            continue
        path.unlink() if content is None else path.write_bytes(content)
        try:
            with pytest.raises(REFUSALS) as refusal:
                open_dataset(store, read_manifest(store, signer=OWNER, seen=2), kek)
        finally:
            path.write_bytes(whole)
        named = refusal.value.where
        if content == (other / "manifest" / "2").read_bytes():
            # The same owner's word, on other rows: it is believed, and the shards and keys that it lists are not here.
            assert named == url_of(folder) or named.startswith(f"{url_of(folder)}/shards/sh-")
        elif content is None and path.parent.name == "manifest":
            assert named == f"{url_of(folder)}/manifest"  # an older version is the highest now
        else:
            assert named == f"{url_of(folder)}/{path.relative_to(folder)}"
        assert CANARY not in str(refusal.value)
        done += 1
    assert open_dataset(store, read_manifest(store, signer=OWNER), kek).num_rows == 24
