"""After an owner's signing key was handed over, jobs go on with the new key alone."""

from __future__ import annotations

from support.hospitals import House
from support.threads import ThreadCluster

from ringfence.federation.run import run_job
from ringfence.shards.auditing import examine
from ringfence.shards.keys import load_kek, load_signer, new_keys
from ringfence.shards.request import SealKeys
from ringfence.shards.rotate import Rotation, rotate
from ringfence.signing import public_name


def keys_of(path) -> SealKeys:
    return SealKeys(load_kek(path), load_signer(path.with_name(f"{path.name}.sign")))


def test_a_job_runs_under_the_key_that_the_owner_handed_over_to(tmp_path):
    house = House(tmp_path, records=120, silos=("mercy",), job={"rounds": 1}).build()
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    file = house.key("mercy")
    old = keys_of(file)
    for name in ("shard-key", "shard-key.sign", "shard-key.pub"):
        path = file.with_name(name)
        path.rename(path.with_name(f"old-{name}"))
    new_keys(file)
    rotate(Rotation(url=house.url("mercy"), old=old, new=keys_of(file)), house.stores)
    assert house.manifest("mercy").owner == public_name(keys_of(file).signer)
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    view = house.view("mercy")
    assert len(view.charged) == 2 and not view.open_reservations()
    assert view.owner_identity == f"key:{public_name(keys_of(file).signer)}"
    store = house.stores.open(house.url("mercy"))
    assert examine(store, store, house.manifest("mercy"), house.ledger("mercy")).faults == ()
