"""What chart and operator render, against schemas of the API server's own OpenAPI: strict, by kubeconform."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.control_plane import CACHE, ControlPlane
from support.openapi_schemas import LOCATION, write
from support.operated import missing_for_operator

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/ringfence"
# Of the Prometheus Operator, whose CRDs are not on this server.
FOREIGN = {"PodMonitor", "PrometheusRule"}


def tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=CACHE / "bin")


MISSING = [*missing_for_operator(), *(name for name in ("helm", "kubeconform") if tool(name) is None)]
pytestmark = [pytest.mark.local, pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")]


@pytest.fixture(scope="module")
def schemas(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    names = write(json.loads(plane.kubectl("get", "--raw", "/openapi/v2")), folder)
    ours = {"apps_v1_deployment.json", "ringfence.dev_v1alpha1_federatedjob.json", "ray.io_v1_raycluster.json"}
    assert ours <= set(names)
    return folder


def conform(schemas: Path, text: str) -> dict:
    command = [tool("kubeconform"), "-output", "json", "-summary", "-strict", "-skip", ",".join(FOREIGN)]
    command += ["-schema-location", f"{schemas}/{LOCATION}", "-"]
    return json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout)


def valid(schemas: Path, text: str) -> int:
    """How many documents there are, all of them valid."""
    found = conform(schemas, text)
    assert not found.get("resources"), found["resources"]
    kinds = [one["kind"] for one in yaml.safe_load_all(text) if one]
    summary = found["summary"]
    assert summary["skipped"] == sum(kind in FOREIGN for kind in kinds)
    assert summary["valid"] == len(kinds) - summary["skipped"]
    return len(kinds)


@pytest.mark.parametrize("values", ["minimal", "full"])
def test_the_chart_renders_what_the_server_takes(schemas, values):
    command = [tool("helm"), "template", "ringfence", str(CHART), "-n", "ringfence-system", "--kube-version", "1.36.3"]
    command += ["-f", str(CHART / f"ci/{values}-values.yaml")]
    command += [part for api in ("monitoring.coreos.com/v1", "ray.io/v1") for part in ("--api-versions", api)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert valid(schemas, text) > 15


@pytest.mark.parametrize("path", sorted((ROOT / "tests/vectors/operator").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_the_operator_makes_for_an_attempt_is_what_the_server_takes(schemas, path):
    assert valid(schemas, path.read_text()) >= 4


def test_a_field_that_the_server_does_not_know_is_found(schemas):
    """The schemas are strict: else the tests above would say nothing."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    for spec in ({"containers": [{"name": "a", "imagee": "b"}]}, {"containers": "none"}, {"restartPolicy": "Never"}):
        found = conform(schemas, json.dumps({**pod, "spec": spec}))
        assert found["summary"]["invalid"] == 1, spec
    job = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "FederatedJob", "metadata": {"name": "one"}, "spec": {}}
    assert conform(schemas, json.dumps(job))["summary"]["invalid"] == 1
