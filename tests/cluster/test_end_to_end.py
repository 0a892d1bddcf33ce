"""`kubectl apply` to a trained model: the demo's airports in three namespaces, against the same job on a laptop."""

from __future__ import annotations

import json
import time

import pytest
from cluster.ledgers import Buckets, check
from cluster.stage import Stage
from cluster.watched import Watched
from support.commands import ringfence

from ringfence.demo import jobs
from ringfence.demo.flights import AIRPORTS
from ringfence.demo.folder import Folder
from ringfence.demo.owners import make_keys, open_budget, seal_one, sealings

pytestmark = pytest.mark.local
ROUNDS = 12
READ = """
import sys
from ringfence.store.open import Stores
from ringfence.errors import StoreError
print(len(Stores().open(sys.argv[1]).get("manifest/1")))
try:
    Stores().open(sys.argv[2]).get(sys.argv[3])
except StoreError as error:
    print("refused:", error)
"""


@pytest.fixture(scope="module")
def job(stage: Stage) -> Watched:
    """The demo's own manifest, applied."""
    return Watched.apply(stage.cluster, stage.job(), "late-arrivals")


def test_the_release_says_of_itself_that_it_works(stage, job):
    """`helm test`, while the job's pods start."""
    said = stage.release.test()
    assert "FAIL" not in said
    for name in ("resources", "KubeRay", "leader", "key", "store"):
        assert f"ok    {name}: " in said, said


def test_a_silos_credential_cannot_read_its_neighbours_shard(stage, job):
    """Asked from inside its own pod, where its owner's image, credential and network are."""

    def running():
        pods = job.pods("ewr")
        states = [status.get("state", {}) for pod in pods for status in pod["status"].get("containerStatuses", [])]
        return pods if states and all("running" in state for state in states) else None

    pod = job.wait("the pod of ewr runs", running, 300)[0]["metadata"]["name"]
    shard = Buckets.of(stage.cluster).names("jfk", "flights/shards/")[0].removeprefix("flights/")
    asked = ["exec", pod, "-c", "driver", "--", "python", "-c", READ]
    for url, name in ((jobs.private_url("jfk"), shard), (jobs.private_url("jfk"), "manifest/1")):
        said = stage.cluster.kubectl("-n", "ewr", *asked, jobs.private_url("ewr"), url, name)
        own, other = said.strip().splitlines()
        assert int(own) > 0
        assert other.startswith("refused:"), f"ewr could read {url}/{name}"


def test_the_release_is_upgraded_under_the_running_job(stage, job):
    """From the chart of an earlier version; that the job completes is the next test."""
    assert not job.ended()
    assert "ringfence-0.0.1" in stage.release.deployed()
    stage.release.upgrade()
    assert "ringfence-0.0.1" not in stage.release.deployed()


def test_the_demos_manifests_train_to_a_complete_job(job):
    begun = time.monotonic()
    job.wait("the job ends", job.ended, 900)
    print(f"ended after {time.monotonic() - begun:.0f} s more")
    assert job.condition("Complete").get("status") == "True", job.story()
    status = job.status
    assert status["round"] == ROUNDS
    assert status["model"].endswith(f"{job.uid}/model.safetensors")
    assert float(status["epsilon"]) <= float(jobs.EPSILON)


def test_its_quality_and_its_costs_are_those_of_ringfence_run(stage, job):
    """The noise is drawn anew each time, so scores are near, not equal; costs are equal to the micro-unit."""
    folder = Folder(stage.root / "laptop")
    folder.root.mkdir()
    for name in (*AIRPORTS, "holdout"):
        folder.rows(name).parent.mkdir(exist_ok=True)
        folder.rows(name).symlink_to(stage.folder.rows(name))
    folder.write_schema("traffic")
    make_keys(folder, (*AIRPORTS, jobs.TEAM))
    found = {one.owner: seal_one(folder, one) for one in sealings(jobs.CAST) if not one.url.endswith("-public")}
    budgets = [open_budget(folder, jobs.CAST, airport, found[airport], jobs.federated()) for airport in AIRPORTS]
    manifests = [folder.write_manifest("job.yaml", jobs.federated())]
    manifests.append(folder.write_manifest("budgets.yaml", *budgets))
    done = ringfence(folder.root, "run", *manifests, "--store", folder.store, "--keys", folder.keys, "--json")
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    auc, laptop = float(job.status["metrics"]["auc"]), float(there["rounds"][-1]["metrics"]["auc"])
    assert abs(auc - laptop) < 0.02, (auc, laptop)
    assert auc > 0.68
    buckets, uid = Buckets.of(stage.cluster), job.uid
    for airport in AIRPORTS:
        entries = [json.loads(path.read_bytes()) for path in (folder.store / airport / "flights/ledger").iterdir()]
        charged = {one["body"]["round"]: one["body"]["cost"] for one in entries if one["kind"] == "charge"}
        assert {round_: body["cost"] for round_, body in buckets.charges(airport, uid).items()} == charged


def test_every_release_was_charged_first_and_nothing_is_left(stage, job):
    job.wait("everything of the job is gone", lambda: not job.left(), 180)
    check(Buckets.of(stage.cluster), AIRPORTS, job.uid, ROUNDS)
    for airport in AIRPORTS:
        budget = stage.cluster.get("-n", airport, "privacybudget", jobs.BUDGET)
        assert float(budget["status"]["reserved"]) == 0
        assert 0 < float(budget["status"]["spent"]) < float(jobs.LIMIT)


def test_the_statement_of_the_result_verifies_and_names_the_image(stage, job):
    url = job.status["statement"].rpartition("/")[0]
    statement = json.loads(stage.run("statement", url, "--json"))
    content = statement.get("statement", statement)
    assert content["job"]["image"] == stage.cluster.workload
    assert {silo["name"] for silo in content["silos"]} == set(AIRPORTS)


def test_the_last_word_of_the_status_is_the_statements(stage, job):
    url = job.status["statement"].rpartition("/")[0]
    statement = json.loads(stage.run("statement", url, "--json"))
    content = statement.get("statement", statement)
    told = [silo["privacy"]["jobEpsilon"] for silo in content["silos"]]
    assert float(job.status["epsilon"]) == pytest.approx(max(map(float, told)), abs=2e-6)
    assert job.status["metrics"] == {name: f"{float(value):.6f}" for name, value in content["metrics"].items()}
