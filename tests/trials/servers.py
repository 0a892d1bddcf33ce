"""A real MinIO with a versioned bucket, behind the fault-injecting proxy; both end with this process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from functools import partial
from pathlib import Path

from minio import Minio
from minio.versioningconfig import ENABLED, VersioningConfig
from trials import proxy
from trials.steps import die_with_parent

USER, PASSWORD = "ringfence-trials", "ringfence-trials-secret"


def binary() -> Path | None:
    """The MinIO to use: `RINGFENCE_MINIO`, or the one of the test cluster's cache."""
    cached = Path.home() / ".cache/ringfence/devcluster/bin/minio"
    path = Path(os.environ.get("RINGFENCE_MINIO", cached))
    return path if path.is_file() else None


class Servers:
    """MinIO and proxy on loopback addresses, data in `folder`."""

    bucket = "trials"

    def __init__(self, program: Path, folder: Path) -> None:
        self._folder = folder
        self._direct, self._through = _free_port(), _free_port()
        given = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BROWSER": "off"}
        self._minio = subprocess.Popen(
            [program, "server", "--quiet", "--address", f"127.0.0.1:{self._direct}", folder],
            env={**os.environ, **given},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self._make_bucket()
        parent = os.getpid()
        self._proxy = os.fork()
        if self._proxy == 0:
            try:
                die_with_parent(parent)
                proxy.serve(self._through, self._direct)
            finally:
                os._exit(1)
        self._get("/-/faults")

    def use(self, *, proxy: bool) -> None:
        """Points this process's S3 clients at the proxy, or past it."""
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{self._through if proxy else self._direct}"
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = USER, PASSWORD
        os.environ["AWS_REGION"] = "us-east-1"

    def drain(self, trial: str) -> None:
        """Waits until no request of `trial` is on its way any more."""
        self._get(f"/-/drain/{trial}")

    def faults(self) -> Counter[str]:
        """How many wrong replies the proxy has given, by kind."""
        return proxy.parse_faults(self._get("/-/faults"))

    def stop(self) -> None:
        """Ends both and removes the data."""
        os.kill(self._proxy, 9)
        os.waitpid(self._proxy, 0)
        self._minio.kill()
        self._minio.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _get(self, path: str) -> bytes:
        end = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._through}{path}", timeout=60) as reply:
                    return reply.read()
            except (ConnectionError, urllib.error.URLError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def client(self) -> Minio:
        """A client past the proxy, for one process: connections must not be shared by forks."""
        return Minio(f"127.0.0.1:{self._direct}", USER, PASSWORD, secure=False)

    def _make_bucket(self) -> None:
        client = self.client()
        end = time.monotonic() + 30
        while True:
            try:
                client.make_bucket(bucket_name=self.bucket)
                client.set_bucket_versioning(bucket_name=self.bucket, config=VersioningConfig(ENABLED))
                return
            except Exception:
                if self._minio.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
