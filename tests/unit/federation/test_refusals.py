"""What does not hold is refused by name before any training, and costs nothing."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.audit import bucket
from support.hospitals import SCHEMA, House, patients
from support.threads import ThreadCluster

from ringfence.errors import (
    BudgetExhausted,
    CodeNotApproved,
    InvalidInput,
    KeyRejected,
    LedgerMissing,
    LedgerOwned,
    LedgerRolledBack,
    ManifestUnavailable,
    PlanImpossible,
    RingfenceError,
    SchemaMismatch,
    ShardUnavailable,
    SignatureRejected,
    TermsRefused,
)
from ringfence.federation.foresee import plan_job
from ringfence.federation.run import run_job
from ringfence.privacy.ledger import operations
from ringfence.schema import DatasetSchema
from ringfence.shards.keys import new_keys
from ringfence.shards.terms import Terms
from ringfence.spec.load import Manifests, parse_document


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path, records=120).build()


def heads(house: House) -> list[int]:
    return [house.view(silo).head.index for silo in house.silos]


def refused(house: House, error: type[RingfenceError], words: str, *, writes: bool = False, **changes: object) -> None:
    """The job is refused with these words; no ledger has a charge, and without `writes` not even a new entry."""
    before = heads(house)
    with pytest.raises(error, match=words):
        run_job(house.manifests(**changes), house.options(), cluster=ThreadCluster())
    for silo in house.silos:
        assert not house.view(silo).charged and not house.view(silo).open_reservations()
    assert writes or heads(house) == before
    assert not list((house.root / "store").glob("research/**/rounds"))


def shards(house: House, silo: str = "mercy"):
    return sorted((bucket(house, silo) / "shards").iterdir())


def test_one_flipped_byte_in_a_shard(house):
    path = shards(house)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(house, ShardUnavailable, "silo mercy: altered", writes=True)


def test_a_truncated_shard(house):
    path = shards(house)[0]
    path.write_bytes(path.read_bytes()[:-7])
    refused(house, ShardUnavailable, "silo mercy: truncated", writes=True)


def test_two_swapped_shards(tmp_path):
    house = House(tmp_path, records=120).build()
    house.seal("mercy", patients(60, 9), append=True, new_records=True)
    first, second = shards(house)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    refused(house, ShardUnavailable, "silo mercy: swapped", writes=True)


def test_another_hospitals_shard(house):
    shutil.copy(shards(house, "stjude")[0], shards(house)[0])
    refused(house, ShardUnavailable, "silo mercy: ", writes=True)


def test_an_older_manifest_put_back_under_its_own_name(house):
    house.seal("mercy", patients(60, 9), append=True, new_records=True)
    plan_job(house.manifests(), store=house.root / "store", state=house.root / "state")  # version 2 was seen
    (bucket(house, "mercy") / "manifest/2").unlink()
    refused(house, ManifestUnavailable, "an older manifest was put back: version 1, but version 2 was seen")


def test_an_older_manifest_put_in_the_place_of_a_newer_one(house):
    house.seal("mercy", patients(60, 9), append=True, new_records=True)
    folder = bucket(house, "mercy") / "manifest"
    (folder / "2").write_bytes((folder / "1").read_bytes())
    with pytest.raises(ManifestUnavailable, match="another version put in its place"):
        house_manifests = House(house.root, silos=("northside", "stjude"), records=120).manifests()
        job = parse_document(house.job_document(), "job")
        mercy = {**house_manifests.budgets[0].to_document()}
        mercy["metadata"] = {"name": "patients", "namespace": "mercy"}
        mercy["spec"] = {**mercy["spec"], "dataset": house.url("mercy"), "signer": signer_of(house, "mercy")}
        budgets = (*house_manifests.budgets, parse_document(mercy, "budget"))
        run_job(Manifests(jobs=(job,), budgets=budgets), house.options(), cluster=ThreadCluster())


def signer_of(house: House, silo: str) -> str:
    return house.key(silo).with_name("shard-key.pub").read_text().strip()


def test_a_manifest_that_only_the_ledger_remembers(house):
    house.seal("mercy", patients(60, 9), append=True, new_records=True)
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    (bucket(house, "mercy") / "manifest/2").unlink()
    with pytest.raises(ManifestUnavailable, match="but the ledger saw version 2"):
        run_job(house.manifests(), house.options(state=house.root / "other"), cluster=ThreadCluster())


def test_a_wrong_key(house):
    for name in ("shard-key", "shard-key.sign", "shard-key.pub"):
        house.key("mercy").with_name(name).unlink()
    new_keys(house.key("mercy"))
    refused(house, KeyRejected, "not the key of the owner of s3://mercy/readmissions")


def test_a_wrong_key_with_the_right_signature(house):
    shutil.copy(house.key("stjude"), house.key("mercy"))
    refused(house, KeyRejected, "silo mercy: sealed under kek:", writes=True)


def test_another_owners_signature(house):
    document = house.budget_document("mercy")
    document["spec"]["signer"] = signer_of(house, "stjude")
    budgets = tuple(parse_document(d, "b") for d in [document, *map(house.budget_document, house.silos[1:])])
    with pytest.raises(SignatureRejected, match=r"mercy/readmissions/manifest/1: signed by ed25519:"):
        run_job(Manifests(jobs=house.manifests().jobs, budgets=budgets), house.options(), cluster=ThreadCluster())


def test_code_that_is_not_approved(house, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text("raise RuntimeError('imported before it was approved')\n")
    before = heads(house)
    with pytest.raises(CodeNotApproved, match=r"is not among the owner's runtime\.allowedCode"):
        manifests = house.manifests(task={"class": "mine:Task"})
        run_job(manifests, house.options(code=folder), cluster=ThreadCluster())
    assert heads(house) == before


def test_terms(house):
    document = house.budget_document("mercy")
    document["spec"]["purposes"] = ["billing"]
    others = [parse_document(house.budget_document(silo), "b") for silo in house.silos[1:]]
    manifests = Manifests(jobs=house.manifests().jobs, budgets=(parse_document(document, "b"), *others))
    with pytest.raises(TermsRefused, match=r"purpose \(none\) is not among billing"):
        run_job(manifests, house.options(), cluster=ThreadCluster())


def test_incompatible_schemas(tmp_path):
    house = House(tmp_path, records=120, silos=("mercy", "stjude"))
    house.build()
    columns = [column.model_dump(exclude_none=True) for column in SCHEMA.columns]
    columns[0]["maximum"] = "100"
    narrow = House(tmp_path, silos=("north",), records=120, schema=DatasetSchema.model_validate({"columns": columns}))
    narrow.key("north").parent.mkdir(parents=True)
    new_keys(narrow.key("north"))
    rows = patients(120, 3)
    narrow.seal("north", rows.filter([age < 100 for age in rows["age"].to_pylist()]))
    narrow.open_budget("north")
    house.silos = ("mercy", "north", "stjude")
    refused(house, SchemaMismatch, "north.*age|age.*north")


def test_a_budget_for_another_dataset(house):
    document = house.budget_document("mercy")
    document["spec"] |= {"dataset": house.url("stjude")}
    budgets = tuple(parse_document(d, "b") for d in [document, *map(house.budget_document, house.silos[1:])])
    with pytest.raises(SignatureRejected, match="stjude/readmissions/manifest/1"):
        run_job(Manifests(jobs=house.manifests().jobs, budgets=budgets), house.options(), cluster=ThreadCluster())


def test_two_silos_on_one_dataset(house):
    document = house.budget_document("mercy")
    document["spec"] |= {"dataset": house.url("stjude"), "signer": signer_of(house, "stjude")}
    budgets = tuple(parse_document(d, "b") for d in [document, *map(house.budget_document, house.silos[1:])])
    with pytest.raises(InvalidInput, match="silos mercy and stjude name the same dataset"):
        run_job(Manifests(jobs=house.manifests().jobs, budgets=budgets), house.options(), cluster=ThreadCluster())


def test_fewer_rows_than_a_batch(house):
    local = {"epochs": "1", "batchSize": 121, "optimizer": {"name": "sgd", "learningRate": "0.1"}}
    refused(house, PlanImpossible, "121", local=local)


def test_an_epsilon_that_no_noise_reaches(house):
    refused(house, PlanImpossible, "epsilon", privacy={"epsilon": "0.0001", "delta": "1e-5", "maxGradNorm": "1"})


def test_a_delta_that_lets_a_record_be_published(house):
    refused(house, PlanImpossible, "delta", privacy={"epsilon": "1", "delta": "0.01", "maxGradNorm": "1"})


def test_a_private_hold_out(house):
    evaluation = {"dataset": house.url("stjude"), "metrics": ["auc"]}
    refused(house, TermsRefused, "the hold-out is private", evaluation=evaluation)


def test_a_hold_out_for_another_purpose(house):
    house.seal("public", patients(30, 9), append=True, terms=Terms(purposes=("teaching",)))
    words = r"the hold-out: clause purposes: purpose \(none\) is not among teaching"
    refused(house, TermsRefused, words)


def test_a_budget_above_the_ledgers_limit(house):
    house.epsilon = "9"
    refused(house, InvalidInput, "epsilon 9 is more than the ledger's limit 8")


def test_a_lower_budget_lowers_the_ledgers_limit(house):
    house.epsilon = "5"
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert Decimal(house.view("mercy").limit.epsilon) == 5


def test_a_ledger_that_a_cluster_owns(house):
    operations.claim(house.ledger("mercy"), house.signer("mercy"), "kube:1234/mercy/patients")
    refused(house, LedgerOwned, "the ledger belongs to kube:1234/mercy/patients")


def test_a_ledger_that_is_gone(house):
    pin = house.manifest("mercy").ledger
    assert pin is not None
    shutil.rmtree(bucket(house, "mercy") / "ledger")
    with pytest.raises(LedgerMissing, match="the ledger that the manifest pins is not there"):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())


def test_a_ledger_put_back_from_an_old_copy(house, tmp_path):
    ledger = bucket(house, "mercy") / "ledger"
    shutil.copytree(ledger, tmp_path / "old")
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    shutil.rmtree(ledger)
    shutil.copytree(tmp_path / "old", ledger)
    before = heads(house)
    with pytest.raises(LedgerRolledBack):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert heads(house) == before, "nothing was reserved on it"


def test_the_same_job_until_the_budget_is_used_up(house):
    planned = plan_job(house.manifests(), store=house.root / "store", state=house.root / "state")
    left = min(one.headroom.jobs_left for one in planned)
    assert left >= 2
    for _ in range(left):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    before, outputs = heads(house), len(list((house.root / "store/research/models/readmission").iterdir()))
    with pytest.raises(
        BudgetExhausted, match=r"silo mercy, dataset s3://mercy/readmissions: the job needs epsilon .* can still have"
    ) as caught:
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1
    assert heads(house) == before
    assert len(list((house.root / "store/research/models/readmission").iterdir())) == outputs
    for silo in house.silos:
        assert house.view(silo).spent_epsilon() <= 8


FORBIDDEN = {
    "purpose": (
        Terms(purposes=("care",)),
        {"purpose": "marketing"},
        "clause purposes: purpose marketing is not among care",
    ),
    "objection": (Terms(opt_outs=("marketing",)), {"purpose": "marketing"}, "have objected to purpose marketing"),
    "namespace": (Terms(consumers=("audit",)), {}, "clause consumers: namespace research is not among audit"),
    "region": (Terms(residency=("eu",)), {"region": "us"}, "clause residency: region us is not among eu"),
    "deadline": (
        Terms(retain_until=str(datetime.now(UTC).date() + timedelta(days=1))),
        {"activeDeadlineSeconds": 30 * 86_400},
        "clause retainUntil: the job may last until after",
    ),
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_job_that_the_owners_terms_forbid_is_refused_with_the_clause(tmp_path, case):
    terms, changes, words = FORBIDDEN[case]
    house = House(tmp_path, records=60).build()
    house.seal("mercy", patients(30, 9), append=True, terms=terms)
    with pytest.raises(TermsRefused, match=words):
        plan_job(house.manifests(**changes), house.root / "store", house.root / "state")
    refused(house, TermsRefused, f"silo mercy: .*{words}", **changes)
