"""The same job over S3: MinIO where its binary is at hand, else moto's server. Nothing but URLs changes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.hospitals import House
from support.threads import ThreadCluster

from ringfence.federation.run import run_job
from ringfence.store.open import Stores

BINARY = Path(os.environ.get("RINGFENCE_MINIO", Path.home() / ".cache/ringfence/devcluster/bin/minio"))
BUCKETS = ("mercy", "northside", "stjude", "public", "research")


class Remote(House):
    """The house with its objects in S3 instead of a folder."""

    @property
    def stores(self) -> Stores:
        return Stores()

    def options(self, **changes):
        return super().options(**{"store": None, **changes})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with the buckets in it, on this machine's loopback address only."""
    port = free_port()
    if BINARY.exists():
        command = [str(BINARY), "server", "--address", f"127.0.0.1:{port}", str(tmp_path / "minio")]
    else:
        command = [shutil.which("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "minioadmin",
        "AWS_SECRET_ACCESS_KEY": "minioadmin",
        "AWS_REGION": "us-east-1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        from minio import Minio

        client = Minio(f"127.0.0.1:{port}", "minioadmin", "minioadmin", secure=False)
        for bucket in BUCKETS:
            make(client, bucket)
        yield client
    finally:
        process.kill()
        process.wait()


def make(client, bucket: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            client.make_bucket(bucket_name=bucket)
            return
        except Exception:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.1)


def test_a_job_over_s3_charges_each_round_once(tmp_path, server):
    house = Remote(tmp_path, records=120, job={"rounds": 2}).build()
    result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    names = [found.object_name for found in server.list_objects(bucket_name="research", recursive=True)]
    assert f"models/readmission/{result.uid}/report.html" in names
    for silo in house.silos:
        assert sorted(house.view(silo).charged[result.uid, silo]) == [1, 2]
        staged = server.list_objects(bucket_name=silo, prefix="readmissions/staging/", recursive=True)
        assert not list(staged)
    assert result.model().task is not None
