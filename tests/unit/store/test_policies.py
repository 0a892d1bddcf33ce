"""What a policy document says, and that no name in it can widen it."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from ringfence.errors import InvalidInput
from ringfence.store.policies import ANY_JOB, coordinator_policy, operator_policy, owner_policy, silo_policy
from ringfence.store.setup import Setup, SiloPlaces, check_setup, policies, unlocked_buckets

PLACES = {"dataset": "s3://mercy/p", "ledger": "s3://ledgers/p", "output": "s3://research/m", "uid": "u-1"}


def silo(**changed):
    return silo_policy(**{**PLACES, "silo": "mercy", **changed})


def allows(policy, action, name):
    """Whether a policy allows an action on `bucket/key`, or with `list bucket/prefix` the listing of a prefix."""
    bucket, _, key = name.partition("/")
    for statement in policy["Statement"]:
        for resource in statement.get("Resource", ()):
            arn = f"arn:aws:s3:::{bucket}" if action.startswith("s3:List") else f"arn:aws:s3:::{name}"
            prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
            listed = not action.startswith("s3:List") or any(fnmatchcase(key, prefix) for prefix in prefixes)
            if action in statement["Action"] and fnmatchcase(arn, resource) and listed:
                return True
    return False


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"silo": "*"}, "'*' is not the name of a silo"),
        ({"silo": "mercy/../stjude"}, "'mercy/../stjude' is not the name of a silo"),
        ({"silo": ""}, "'' is not the name of a silo"),
        ({"uid": "*"}, "'*' is not the uid of a job"),
        ({"uid": "?" * 35}, "is not the uid of a job"),
        ({"uid": "a/b"}, "'a/b' is not the uid of a job"),
        ({"dataset": "s3://mercy/*"}, "has a character other than letters"),
        ({"ledger": "s3://led*/p"}, "'led*' is not the name of a bucket"),
        ({"output": "s3://research/${aws:username}"}, "has a character other than letters"),
        ({"output": "file:///research"}, "is not in a bucket; write s3://bucket/prefix"),
    ],
)
def test_no_name_widens_a_policy(changed, message):
    with pytest.raises(InvalidInput) as refusal:
        silo(**changed)
    assert message in str(refusal.value)


@pytest.mark.parametrize("name", ["model", "commit"])
def test_a_silo_whose_name_is_a_part_of_the_layout_is_read_by_nobody_else(name):
    assert not allows(silo(), "s3:GetObject", f"research/m/u-1/rounds/1/updates/{name}")
    assert not allows(silo(), "s3:GetObject", f"research/m/u-1/rounds/10000/absent/{name}")
    assert allows(silo(silo=name), "s3:PutObject", f"research/m/u-1/rounds/1/updates/{name}")
    assert allows(silo(), "s3:GetObject", f"research/m/u-1/rounds/10000/{name}")


def test_a_silo_of_any_job_is_still_one_silo():
    policy = silo(uid=ANY_JOB)
    job = "11111111-2222-3333-4444-555555555555"
    assert allows(policy, "s3:PutObject", f"research/m/{job}/rounds/3/updates/mercy")
    assert not allows(policy, "s3:GetObject", f"research/m/{job}/rounds/3/updates/stjude")
    assert not allows(policy, "s3:DeleteObject", f"research/m/{job}/rounds/3/updates/mercy")


def test_a_ledger_below_its_dataset_is_not_the_owners_to_delete():
    policy = owner_policy(dataset="s3://mercy/p", ledger="s3://mercy/p")
    assert allows(policy, "s3:PutObject", "mercy/p/ledger/3")
    assert not allows(policy, "s3:DeleteObject", "mercy/p/ledger/3")
    assert not allows(policy, "s3:DeleteObjectVersion", "mercy/p/ledger/3")
    assert allows(policy, "s3:DeleteObjectVersion", "mercy/p/shards/sh-1")


def test_nobody_may_delete_an_entry_and_only_owner_and_operator_prolong_its_lock():
    pairs = [(PLACES["dataset"], PLACES["ledger"])]
    parties = {
        "silo": silo(),
        "coordinator": coordinator_policy(output="s3://research/m", uid="u-1", datasets=pairs),
        "owner": owner_policy(dataset=PLACES["dataset"], ledger=PLACES["ledger"]),
        "operator": operator_policy(datasets=pairs, outputs=["s3://research/m"]),
    }
    for name, policy in parties.items():
        assert not allows(policy, "s3:DeleteObject", "ledgers/p/ledger/3"), name
        assert allows(policy, "s3:PutObjectRetention", "ledgers/p/ledger/3") == (name in ("owner", "operator"))
        assert allows(policy, "s3:PutObject", "ledgers/p/ledger/3") == (name != "coordinator")
        assert allows(policy, "s3:GetObject", "mercy/p/shards/sh-1") == (name in ("owner", "silo"))
        assert not allows(policy, "s3:ListBucket", "mercy/"), name


def test_managing_users_is_asked_for():
    managing = operator_policy(datasets=[], outputs=[], manage_users=True)["Statement"]
    assert [action for statement in managing for action in statement["Action"] if action.startswith("admin:")]
    plain = operator_policy(datasets=[], outputs=["s3://research/m"])["Statement"]
    assert not [action for statement in plain for action in statement["Action"] if action.startswith("admin:")]


def test_a_setup_has_a_user_for_each_party():
    setup = Setup((SiloPlaces("a", "s3://mercy/p", "s3://mercy-ledgers/p"),), "s3://research/m", 365)
    check_setup(setup)
    assert list(policies(setup)) == ["owner-a", "silo-a", "coordinator", "operator"]


@pytest.mark.parametrize(
    ("silos", "message"),
    [
        ((), "no silo is named"),
        ((("a", "s3://one/p", "s3://two/p"),) * 2, "silo 'a' is named twice"),
        (
            (("a", "s3://one/p", "s3://one/ledgers"),),
            "s3://one: one bucket for a ledger and for objects that may be erased; "
            "keep ledgers in a bucket of their own: --silo NAME=DATASET,LEDGER",
        ),
        ((("a", "s3://one/p", "s3://research/x"),), "s3://research: one bucket for a ledger and for objects that may"),
    ],
)
def test_a_setup_that_contradicts_itself_is_refused(silos, message):
    with pytest.raises(InvalidInput) as refusal:
        check_setup(Setup(tuple(SiloPlaces(*silo) for silo in silos), "s3://research/m", 365))
    assert str(refusal.value).startswith(message)


def test_the_hold_out_of_a_store_is_read_by_its_coordinator_only():
    silos = (SiloPlaces("a", "s3://mercy/p", "s3://mercy-ledgers/p"),)
    setup = Setup(silos, "s3://research/m", 365, holdout="s3://public/holdout")
    assert unlocked_buckets(setup) == ["mercy", "public", "research"]
    for name, policy in policies(setup).items():
        for key in ("manifest/1", "shards/sh-1"):
            assert allows(policy, "s3:GetObject", f"public/holdout/{key}") == (name == "coordinator")
        assert not allows(policy, "s3:PutObject", "public/holdout/manifest/1")
    with pytest.raises(InvalidInput, match="one bucket for a ledger and for objects that may be erased"):
        check_setup(Setup(silos, "s3://research/m", 365, holdout="s3://mercy-ledgers/holdout"))


def test_silo_and_operator_append_to_the_audit_log_beside_the_ledger_and_to_no_other():
    for policy in (silo(), operator_policy(datasets=[("s3://mercy/p", "s3://ledgers/p")], outputs=[])):
        assert allows(policy, "s3:PutObject", "ledgers/p/audit/7")
        assert allows(policy, "s3:ListBucketVersions", "ledgers/p/audit/")
        assert not allows(policy, "s3:DeleteObject", "ledgers/p/audit/7")
        assert not allows(policy, "s3:PutObject", "ledgers/another/audit/7")
    assert not allows(
        coordinator_policy(output="s3://research/m", uid="u-1", datasets=[("s3://mercy/p", "s3://ledgers/p")]),
        "s3:PutObject",
        "ledgers/p/audit/7",
    )
