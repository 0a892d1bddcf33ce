"""What runs in pods, rehearsed as processes: drivers beside a Ray head with token auth, a coordinator, MinIO."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.assignments import Assigned, assign
from support.commands import wait_for
from support.hospitals import House
from support.minio_server import running
from support.ports import free_port

from ringfence import signing
from ringfence.privacy import statement
from ringfence.store.open import Stores

SILOS = ("mercy", "northside")
BUCKETS = (*SILOS, "public", "research")
UID = "7d1e5f0a-0000-4000-8000-000000000001"
TOKEN = "a-token-of-this-test-only-0123456789"


class Remote(House):
    @property
    def stores(self) -> Stores:
        return Stores()


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def none_left():
    """No process outlives its test."""
    yield
    for process in STARTED:
        process.kill()
        process.wait()
    STARTED.clear()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with running(tmp_path_factory.mktemp("minio")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables().items():
            patch.setenv(name, value)
        for bucket in BUCKETS:
            server.client().make_bucket(bucket_name=bucket)
        yield server


@pytest.fixture(scope="module")
def ray_head(store):
    """A Ray head as KubeRay starts it, on this machine: the environment with which a driver reaches it."""
    folder = tempfile.mkdtemp(prefix="rf", dir="/tmp")  # a socket's path is short
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_TMPDIR": folder}
    environment |= {"RAY_ADDRESS": address, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=1"]
    command += [f"--port={address.partition(':')[2]}", "--include-dashboard=false", "--object-store-memory=80000000"]
    command += [f"--ray-client-server-port={free_port()}", f"--dashboard-agent-listen-port={free_port()}"]
    head = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield environment
    finally:
        head.terminate()
        head.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def house(tmp_path, store):
    client = store.client()
    for bucket in BUCKETS:
        for found in list(client.list_objects(bucket_name=bucket, recursive=True)):
            client.remove_object(bucket_name=bucket, object_name=found.object_name)
    return Remote(tmp_path, records=120, job={"rounds": 2}, silos=SILOS).build()


class Pod:
    """A pod's folders and its one process of ours."""

    def __init__(self, root: Path, module: str, assignment, keys, kek: Path | None = None) -> None:
        self.root, self.module = root, module
        for path, text in {
            "etc/ringfence/assignment/assignment.json": assignment.write(),
            "etc/ringfence/job/keys": keys.document(),
            "etc/ringfence/key/kek": kek.read_text() if kek else "",
            "tmp/placeholder": "",
            "dev/placeholder": "",
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)

    def start(self, environment: dict[str, str]) -> subprocess.Popen:
        self.port = free_port()
        command = [sys.executable, "-m", f"ringfence.federation.pods.{self.module}", str(self.root)]
        given = {**environment, "POD_UID": f"pod-{self.root.name}", "RINGFENCE_METRICS_PORT": str(self.port)}
        process = subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        STARTED.append(process)
        return process

    @property
    def ready(self) -> bool:
        return (self.root / "tmp/ringfence-ready").exists()

    def scraped(self) -> dict[str, float]:
        """Every series that the pod shows now; none while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        families = text_string_to_metric_families(text)
        return {f"{one.name}{sorted(one.labels.values())}": one.value for found in families for one in found.samples}

    @property
    def message(self) -> dict:
        return json.loads((self.root / "dev/termination-log").read_text())


def pods(house: House, assigned: Assigned) -> dict[str, Pod]:
    found = {
        silo: Pod(house.root / f"pod-{silo}", "driver", told, assigned.keys(silo), house.key(silo))
        for silo, told in assigned.silos.items()
    }
    return found | {"coordinator": Pod(house.root / "pod-c", "coordinator", assigned.coordinator, assigned.keys())}


def assigned_job(house: House, uid: str = UID, **changes: object) -> Assigned:
    return assign(house.manifests(**changes), house.stores, house.root / "state", house.root / "keys", uid)


def test_a_job_in_pods_is_trained_charged_stated_and_told(house, ray_head):
    assigned = assigned_job(house)
    there = pods(house, assigned)
    drivers = {silo: there[silo].start(ray_head) for silo in SILOS}
    wait_for(lambda: all(there[silo].ready for silo in SILOS), 200)
    assert not house.view("mercy").charged, "a silo trained before the coordinator was there"
    opened = {silo: there[silo].scraped() for silo in SILOS}
    coordinator = there["coordinator"].start({**os.environ, "OMP_NUM_THREADS": "1"})
    last: dict[str, float] = {}
    while coordinator.poll() is None:  # as Prometheus does: the pod is scraped while it lives
        last = there["coordinator"].scraped() or last
        time.sleep(0.05)
    assert (
        last["ringfence_coordinator_rounds_total[]"] >= 1
        and last["ringfence_coordinator_moved_bytes_total['sent']"] > 0
    )
    for process in (*drivers.values(), coordinator):
        assert process.wait(timeout=200) == 0, process.stderr.read()
    for silo in SILOS:
        totals = there[silo].message["totals"]
        assert totals["rounds"] == "2" and int(totals["examples"]) > 0 and float(totals["trainSeconds"]) > 0
        assert opened[silo]["ringfence_silo_opened_shards_total[]"] == float(totals["shards"])
        assert opened[silo]["ringfence_silo_part_seconds_count['open']"] == 1
        assert there[silo].message | {"totals": {}} == {
            "podUid": f"pod-pod-{silo}", "published": 2, "error": "", "message": "", "where": "", "remedy": "",
            "totals": {},
        }  # fmt: skip
        assert sorted(house.view(silo).charged[UID, silo]) == [1, 2]
    output = house.stores.open(f"s3://research/models/readmission/{UID}")
    found = json.loads(output.get("statement.json"))
    assert set(found) == {"statement"}, "endorsed by somebody"
    assert found["statement"]["key"] == assigned.keys().public.sign
    endorsed = statement.endorse(found, house.signer("mercy"))
    assert statement.signers(endorsed).endorser == signing.public_name(house.signer("mercy"))
    assert statement.verify(endorsed, "here")["rounds"]
    assert output.exists("model.safetensors") and output.exists("report.html")


def test_a_driver_that_is_killed_and_started_again_goes_on(house, ray_head):
    uid = UID.replace("1", "2")
    assigned = assigned_job(house, uid, rounds=6)
    there = pods(house, assigned)
    drivers = {silo: there[silo].start(ray_head) for silo in SILOS}
    wait_for(lambda: all(there[silo].ready for silo in SILOS), 200)
    coordinator = there["coordinator"].start({**os.environ, "OMP_NUM_THREADS": "1"})
    wait_for(lambda: (uid, "mercy") in house.view("mercy").charged, 200)
    drivers["mercy"].kill()
    drivers["mercy"].wait()
    time.sleep(1)
    drivers["mercy"] = there["mercy"].start(ray_head)
    for process in (*drivers.values(), coordinator):
        assert process.wait(timeout=200) == 0, process.stderr.read()
    for silo in SILOS:
        assert sorted(house.view(silo).charged[uid, silo]) == [1, 2, 3, 4, 5, 6]


def test_a_silo_without_a_reservation_is_refused_for_good(house, ray_head):
    assigned = assigned_job(house, UID.replace("1", "3"))
    other = assigned.silos["mercy"].model_copy(update={"uid": UID.replace("1", "4")})
    pod = Pod(house.root / "pod-other", "driver", other, assigned.keys("mercy"), house.key("mercy"))
    process = pod.start(ray_head)
    assert process.wait(timeout=120) == 2
    assert pod.message["error"] == "LedgerError"
    assert "no open reservation" in pod.message["message"]
    assert not pod.ready
