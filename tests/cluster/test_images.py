"""The images: the Dockerfile is built as it stands, without an engine, and holds what the packed images hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.devcluster.places import CACHE
from cluster.images.archive import ImageConfig, write_archive
from cluster.images.base import base
from cluster.images.packages import closure

pytestmark = pytest.mark.local
CHECKOUT = Path(__file__).parents[2]
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def test_the_operators_packages_have_no_torch_and_no_ray():
    found = closure("operator")
    assert {"kopf", "kubernetes", "pydantic", "cryptography"} <= set(found)
    assert not [name for name in found if name.startswith(("torch", "ray", "nvidia", "triton", "pytest", "moto"))]


def test_the_workloads_packages_have_ray_and_leave_torch_to_the_volume():
    found = closure("pods")
    assert {"ray", "aiohttp-cors", "numpy", "pyarrow"} <= set(found)
    assert not [name for name in found if name.startswith(("torch", "nvidia", "kopf", "pytest"))]


@pytest.fixture(scope="module")
def buildah() -> Iterator[list[str]]:
    """A builder that needs no engine: Debian's buildah, with images of its own that go away after."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("building an image without an engine needs Linux and root")
    if shutil.which("buildah") is None:
        if os.environ.get("CI") != "true":
            pytest.skip("buildah is not installed: apt-get install buildah")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "buildah"], check=True)
    place = CACHE / "buildah"
    command = ["buildah", "--root", str(place / "root"), "--runroot", str(place / "run"), "--storage-driver", "overlay"]
    try:
        yield command
    finally:
        subprocess.run([*command, "rm", "--all"], check=False, capture_output=True)
        subprocess.run([*command, "rmi", "--all", "--force"], check=False, capture_output=True)
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(1500)
def test_the_operators_target_builds_and_starts_as_nobody_in_particular(buildah, tmp_path):
    """From the test's own Debian base, since no registry is reached; packages come through pip, as everywhere."""
    archive = tmp_path / "base.tar"
    with archive.open("wb") as file:
        write_archive(file, "localhost/base:test", [base()], ImageConfig(command=("/bin/bash",)))
    subprocess.run([*buildah, "pull", "-q", f"docker-archive:{archive}"], check=True, stdout=subprocess.DEVNULL)
    settings = tmp_path / "pip.conf"  # this machine's own authorities, for a registry behind them
    settings.write_text(f"[global]\ncert = {AUTHORITIES}\n")
    mounts = [f"{AUTHORITIES}:{AUTHORITIES}:ro", f"{settings}:/etc/pip.conf:ro"]
    command = [*buildah, "build", "-q", "--isolation", "chroot", "--network", "host", "--target", "operator"]
    command += ["--build-arg", "BASE=localhost/base:test", "-f", str(CHECKOUT / "images/Dockerfile")]
    command += ["--ignorefile", str(CHECKOUT / "images/Dockerfile.dockerignore"), "-t", "localhost/operator:test"]
    command += [word for mount in mounts for word in ("-v", mount)]
    subprocess.run([*command, str(CHECKOUT)], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(
        [*buildah, "inspect", "--type", "image", "localhost/operator:test"], check=True, capture_output=True
    )
    config = json.loads(told.stdout)["OCIv1"]["config"]
    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == ["python", "-m", "ringfence_operator"]
    container = subprocess.run(
        [*buildah, "from", "localhost/operator:test"], check=True, capture_output=True, text=True
    )
    code = (
        "import importlib.util as u, os, ringfence_operator.controller.running;"
        "print(os.getuid(), *(u.find_spec(n) is None for n in ('torch', 'ray', 'pip', 'pytest')))"
    )
    run = [*buildah, "run", "--isolation", "chroot", container.stdout.strip(), "--", "python", "-c", code]
    said = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["1000", "True", "True", "True", "True"]
