"""An owner's life on a real MinIO with the credentials that `store init` made: seal, open, rotate, erase, audit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.minio_server import running

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "shards"))

from shard_samples import CANARY, KEYS, OTHER, request, rows

from ringfence import signing
from ringfence.cli import main
from ringfence.errors import StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.auditing import examine
from ringfence.shards.expire import sweep_expired
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.subject import Subject, erase
from ringfence.shards.terms import Terms
from ringfence.store import Stores
from ringfence.store.provision import Provisioner

SAMPLES = str(Path(__file__).parents[1] / "unit" / "shards")
SEAL = """
import sys
sys.path.insert(0, sys.argv[1])
from shard_samples import KEYS, request
from ringfence.errors import StoreError
from ringfence.shards.seal import seal
from ringfence.store import Stores
try:
    seal(request(sys.argv[2]), Stores(), KEYS)
except StoreError as error:
    print(error)
"""
OWNER = signing.public_name(KEYS.signer)
URL, LEDGER = "s3://mercy/patients", "s3://mercy-ledgers/patients"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("minio")) as server, pytest.MonkeyPatch.context() as patch:
        use(patch, server.variables())
        folder = tmp_path_factory.mktemp("credentials")
        words = ["store", "init", "--output", "s3://research/m", "--lock-days", "1", "--credentials", str(folder)]
        assert main([*words, "--silo", f"mercy={URL}"]) == 0
        yield server, folder


def use(patch, variables):
    for name, value in variables.items():
        patch.setenv(name, value)
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        patch.delenv(name, raising=False)


def as_user(patch, server, user):
    server, folder = server
    lines = dict(line.split("=", 1) for line in (folder / f"{user}.env").read_text().splitlines())
    use(patch, server.variables(user, lines["AWS_SECRET_ACCESS_KEY"]))


def test_an_owners_life(server, monkeypatch):
    stores = Stores()
    minio = server[0].client()
    Provisioner(server[0].url, *list(server[0].variables().values())[-2:]).bucket(
        "mercy", versioned=True, lock_days=None
    )
    as_user(monkeypatch, server, "owner-mercy")
    seal(request(URL, unit="User:person", ledger_url=LEDGER), stores, KEYS)
    manifest = read_manifest(stores.open(URL), signer=OWNER)

    as_user(monkeypatch, server, "silo-mercy")
    assert open_dataset(stores.open(URL), manifest, KEYS.kek).to_pylist() == rows().to_pylist()
    with pytest.raises(StoreError, match="not allowed to write this object"):
        stores.open(URL).put("shards/sh-x", b"")

    # What no policy can forbid: overwriting an entry. The first version stays the entry, and the second is seen.
    stores.open(LEDGER).put("ledger/0", b"not an entry")
    stores.open(LEDGER).put("audit/0", b"not an entry")
    pin = manifest.ledger
    assert Ledger.open(stores.open(LEDGER), pin=pin.entry0).view.dataset == manifest.dataset
    assert len(stores.open(LEDGER).original("ledger/0").others) == 1

    as_user(monkeypatch, server, "owner-mercy")
    after = SealKeys(OTHER.kek, KEYS.signer)
    rotate(Rotation(url=URL, old=KEYS, new=after), stores)
    done = erase(Subject(url=URL, unit=f"{CANARY}-1", keys=after), stores)
    assert done.records == 2 and len(done.destroyed) == 3  # a shard and two quality reports
    left = [item.object_name for item in minio.list_objects("mercy", recursive=True, include_version=True)]
    assert not set(left) & {f"patients/{key}" for key in done.destroyed}
    assert main(["audit", URL]) == 0
    log, store = stores.open(LEDGER), stores.open(URL)
    found = examine(store, log, done.manifest, Ledger.open(log, pin=pin.entry0))
    assert [entry.event for entry in found.entries] == ["sealed", "rotated", "erased"]
    (seen,) = found.evidence
    assert str(seen).startswith(f"{LEDGER}/audit/0: somebody put other bytes over this entry at ")


def test_rows_in_a_locked_bucket_cannot_be_erased_and_are_named(server, monkeypatch):
    use(monkeypatch, server[0].variables())
    stores = Stores()
    url = "s3://mercy-ledgers/locked"
    seal(request(url, unit="User:person"), stores, KEYS)
    with pytest.raises(StoreError) as refusal:
        erase(Subject(url=url, unit=f"{CANARY}-1", keys=KEYS), stores)
    message = str(refusal.value)
    assert message.startswith(f"{url}: 2 of 2 objects are still there: quality/1, shards/sh-")
    assert "cannot destroy every version" in message


def test_a_bucket_that_disappears_is_one_line_and_nothing_is_published(server, monkeypatch):
    use(monkeypatch, server[0].variables())
    client = server[0].client()
    client.make_bucket("vanishing")
    stores = Stores()
    seal(request("s3://vanishing/data"), stores, KEYS)
    for item in client.list_objects("vanishing", recursive=True):
        client.remove_object("vanishing", item.object_name)
    client.remove_bucket("vanishing")
    with pytest.raises(StoreError, match="bucket vanishing does not exist") as refusal:
        seal(request("s3://vanishing/data", append=True), stores, KEYS)
    assert "\n" not in str(refusal.value)
    assert not client.bucket_exists("vanishing")


@pytest.mark.parametrize(("bucket", "offset"), [("clock-ahead", "+2d"), ("clock-behind", "-2d")])
def test_a_clock_that_jumped_is_one_line_and_nothing_is_published(server, bucket, offset):
    if shutil.which("faketime") is None:
        pytest.skip("Debian's faketime is not installed")
    root = server[0].client()
    root.make_bucket(bucket)
    done = subprocess.run(
        ["faketime", "-f", offset, sys.executable, "-c", SEAL, SAMPLES, f"s3://{bucket}/data"],
        env={**os.environ, **server[0].variables()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    where = f"s3://{bucket}/data/manifest"
    assert done.stdout == (
        f"{where}: cannot list this object: the clock of this machine and the store's differ too much; "
        "set the clocks right\n"
    )
    assert list(root.list_objects(bucket, recursive=True)) == []


def test_a_sweep_destroys_what_was_deleted_before_and_only_hidden(server, monkeypatch):
    use(monkeypatch, server[0].variables())
    root, stores, url = server[0].client(), Stores(), "s3://expired/data"
    Provisioner(server[0].url, *list(server[0].variables().values())[-2:]).bucket(
        "expired", versioned=True, lock_days=None
    )
    terms = Terms(retain_until="2020-02-29")
    manifest = seal(request(url, terms=terms), stores, KEYS).manifest
    stores.open(url).delete(manifest.shards[0].key)
    assert manifest.shards[0].key in sweep_expired(url, stores, KEYS, datetime.now(UTC))
    left = [item.object_name for item in root.list_objects("expired", recursive=True, include_version=True)]
    assert not [name for name in left if "/shards/" in name or "/quality/" in name]
