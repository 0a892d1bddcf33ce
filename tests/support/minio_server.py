"""A real MinIO on this machine's loopback address, for as long as a block of a test."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from minio import Minio

BINARY = Path(os.environ.get("RINGFENCE_MINIO", Path.home() / ".cache/ringfence/devcluster/bin/minio"))
ROOT, SECRET = "ringfence-root", "ringfence-root-secret"


@dataclass(frozen=True)
class Server:
    """Where it listens; `client` and `variables` are for one user's credentials, the administrator's by default."""

    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def client(self, user: str = ROOT, secret: str = SECRET) -> Minio:
        return Minio(self.address, user, secret, secure=False, region="us-east-1")

    def variables(self, user: str = ROOT, secret: str = SECRET) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": secret,
        }


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Skips the test where no binary is found."""
    if not BINARY.is_file():
        pytest.skip(f"no MinIO at {BINARY}: set RINGFENCE_MINIO to its binary")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(f"127.0.0.1:{free.getsockname()[1]}")
    process = subprocess.Popen(
        [BINARY, "server", "--quiet", "--address", server.address, folder],
        env={**os.environ, "MINIO_ROOT_USER": ROOT, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"{server.url}/minio/health/ready", process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        assert process.poll() is None, "MinIO ended while starting"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail("MinIO did not become ready in 30 s")
