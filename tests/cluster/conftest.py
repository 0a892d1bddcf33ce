"""The cluster that these tests share: a user's own, one that runs already, or one made for this session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.devcluster import lifecycle, places, requirements
from cluster.images import built
from cluster.place import NAMESPACE, Place
from cluster.reached import Cluster, own, users
from cluster.stage import Stage
from support.control_plane import CACHE, ControlPlane
from support.operated import engineers, install


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Skips, with what is missing, on a machine that cannot have one; in CI it installs and builds instead."""
    if os.environ.get("KUBECONFIG") not in (None, "", str(places.KUBECONFIG)):
        found = users()
        if isinstance(found, str):
            pytest.skip(found)
        yield found
        return
    running = lifecycle.running()
    if not running:
        if os.environ.get("CI") == "true":
            requirements.install()
        elif missing := requirements.missing():
            pytest.skip(f"no test cluster: this machine lacks {'; '.join(missing)}. `make cluster-up` says more")
        lifecycle.up()
    try:
        built.import_all()
        yield own()
    finally:
        if not running:
            lifecycle.down()


@pytest.fixture(scope="session")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The demo's owners and operator in the cluster, ready for jobs."""
    found = Stage(cluster, tmp_path_factory.mktemp("stage"))
    found.clear()
    found.set()
    return found


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server without nodes, with the chart's objects on it. The operator in this process is told of it by
    KUBECONFIG, which is put back after."""
    found = ControlPlane(tmp_path_factory.mktemp("plane"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", "")
        try:
            found.start()
            found.kubectl("apply", "--server-side", "-f", str(CACHE / "kuberay-crds"))
            install(found, NAMESPACE)
            engineers(found, NAMESPACE)
            yield found
        finally:
            found.stop()


@pytest.fixture
def place(plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Two hospitals and an operator of the test's own."""
    name = f"op{abs(hash(request.node.name)) % 10**6}"
    found = Place(plane, tmp_path, name, **getattr(request, "param", {}))
    yield found
    found.operator.stop()
    assert not found.operator.failures
