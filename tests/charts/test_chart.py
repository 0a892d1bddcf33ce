"""The chart: its files are what the code says, what it renders is complete, and values that contradict are refused."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from ringfence.generated import differences
from ringfence_operator.install.chart import render
from ringfence_operator.settings import from_environment

CHART = Path(__file__).parents[2] / "charts/ringfence"
MINIMAL, FULL = CHART / "ci/minimal-values.yaml", CHART / "ci/full-values.yaml"
APIS = ("monitoring.coreos.com/v1", "ray.io/v1")


@cache
def helm() -> str:
    found = shutil.which("helm") or shutil.which("helm", path=Path("~/.cache/ringfence/devcluster/bin").expanduser())
    if found is None:
        pytest.skip("helm is not installed; `make cluster-up` builds it")
    return str(found)


def template(*options: str, values: Path = MINIMAL, apis: tuple[str, ...] = APIS) -> subprocess.CompletedProcess[str]:
    served = [part for api in apis for part in ("--api-versions", api)]
    command = [
        helm(),
        "template",
        "ringfence",
        str(CHART),
        "-n",
        "ringfence-system",
        "-f",
        str(values),
        *served,
        *options,
    ]
    return subprocess.run([*command, "--kube-version", "1.36.3"], capture_output=True, text=True, check=False)


@cache
def rendered(values: Path, *options: str) -> tuple[dict, ...]:
    done = template(*options, values=values)
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def named(kind: str, values: Path = MINIMAL, *options: str) -> dict[str, dict]:
    return {one["metadata"]["name"]: one for one in rendered(values, *options) if one["kind"] == kind}


def test_roles_and_crds_are_those_of_the_code():
    assert differences(render(), CHART / "files") == []


def test_crds_stay_when_the_release_goes():
    crds = named("CustomResourceDefinition")
    assert set(crds) == {"federatedjobs.ringfence.dev", "privacybudgets.ringfence.dev"}
    assert all(crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for crd in crds.values())
    assert not named("CustomResourceDefinition", MINIMAL, "--set", "crds.install=false")


def test_no_role_has_a_wildcard_and_secrets_are_read_by_name_only():
    rules = [
        (name, rule) for kind in ("Role", "ClusterRole") for name, role in named(kind).items() for rule in role["rules"]
    ]
    assert rules
    for name, rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], name
        if "secrets" in rule["resources"] and {"get", "list", "watch"} & set(rule["verbs"]):
            assert rule["resourceNames"] == ["ringfence-operator"], name


def test_only_reads_aggregate_into_view():
    aggregated = {
        name: role for name, role in named("ClusterRole").items() if "view" in str(role["metadata"]["labels"])
    }
    assert set(aggregated) == {"ringfence-view"}
    assert {verb for rule in aggregated["ringfence-view"]["rules"] for verb in rule["verbs"]} == {
        "get",
        "list",
        "watch",
    }


def test_a_namespaced_install_watches_no_other_namespace():
    assert set(named("ClusterRoleBinding", FULL)) == {"ringfence-operator-cluster"}
    cluster = named("ClusterRole", FULL)["ringfence-operator-cluster"]["rules"]
    assert cluster == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["kube-system"]}
    ]
    bound = [one["metadata"]["namespace"] for one in rendered(FULL) if one["kind"] == "RoleBinding"]
    assert sorted(bound) == ["mercy", "research", "ringfence-system", "ringfence-system"]


@pytest.mark.parametrize("values", [MINIMAL, FULL], ids=["minimal", "full"])
def test_the_operator_understands_the_variables_that_it_is_given(values):
    container = named("Deployment", values)["ringfence-operator"]["spec"]["template"]["spec"]["containers"][0]
    plain = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    settings = from_environment(plain | {"RINGFENCE_NAMESPACE": "ringfence-system"})
    given = yaml.safe_load(values.read_text())
    assert settings.endpoint == given["store"]["endpoint"] and settings.image == given["workload"]["image"]
    if values is FULL:
        assert settings.watched == ("mercy", "research", "ringfence-system")
        assert settings.extra_claim == ("site-packages", "/opt/torch")
        assert settings.outputs == {"*": "s3://models/{namespace}"} and settings.network.dns == "10.96.0.10/32"
        assert settings.credentials == "Managed" and plain["AWS_ALLOW_HTTP"] == "true"
        assert container["image"].endswith("@sha256:" + "0" * 64)


def test_every_pod_is_restricted():
    pods = [
        one["spec"]["template"]["spec"] for kind in ("Deployment", "StatefulSet") for one in named(kind, FULL).values()
    ]
    pods += [one["spec"] for one in named("Pod", FULL).values()]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {
            "type": "RuntimeDefault"
        }
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_a_jobs_pods_are_named_by_their_labels_and_only_their_own_series_are_taken():
    """The engineer's code runs beside what is scraped: it may lie about its own job and about nothing else."""
    own, jobs = (named("PodMonitor", FULL)[name]["spec"] for name in ("ringfence-operator", "ringfence-operator-jobs"))
    assert own["podMetricsEndpoints"][0]["honorLabels"] is True
    assert jobs["selector"]["matchExpressions"] == [{"key": "ringfence.dev/job-uid", "operator": "Exists"}]
    assert jobs["namespaceSelector"] == {"matchNames": ["ringfence-system", "mercy", "research"]}
    kept = {}
    for endpoint in jobs["podMetricsEndpoints"]:
        assert "honorLabels" not in endpoint
        assert [one["targetLabel"] for one in endpoint["relabelings"]] == ["namespace", "job", "silo"]
        (keep,) = endpoint["metricRelabelings"]
        kept[endpoint["port"]] = re.compile(keep["regex"])
        assert keep["action"] == "keep" and not kept[endpoint["port"]].fullmatch(
            "ringfence_privacy_budget_epsilon_spent"
        )
    assert set(kept) == {"ringfence", "metrics"} and jobs["sampleLimit"] == 5000
    assert kept["ringfence"].fullmatch("ringfence_silo_part_seconds_sum")


def test_series_of_budgets_and_jobs_go_on_as_the_same_when_another_replica_leads():
    (endpoint,) = named("PodMonitor", FULL)["ringfence-operator"]["spec"]["podMetricsEndpoints"]
    dropped = {one["targetLabel"]: one for one in endpoint["metricRelabelings"]}
    assert set(dropped) == {"instance", "pod"}
    for one in dropped.values():
        assert one["sourceLabels"] == ["__name__"] and one["replacement"] == ""
        assert re.fullmatch(one["regex"], "ringfence_privacy_budget_epsilon_spent")
        assert re.fullmatch(one["regex"], "ringfence_federated_job_round")
        assert not re.fullmatch(one["regex"], "ringfence_controller_leader"), "each replica has its own"


def test_without_a_list_of_namespaces_jobs_are_scraped_wherever_they_run():
    monitors = named("PodMonitor", MINIMAL, "--set", "metrics.monitors.enabled=true")
    assert monitors["ringfence-operator-jobs"]["spec"]["namespaceSelector"] == {"any": True}


def test_rules_and_dashboards_arrive_whole():
    groups = named("PrometheusRule", FULL)["ringfence"]["spec"]["groups"]
    assert [group["name"] for group in groups] == ["ringfence-recording", "ringfence-alerts"]
    dashboards = {name: one for name, one in named("ConfigMap", FULL).items() if "dashboard" in name}
    assert len(dashboards) == 4
    for one in dashboards.values():
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((file, text),) = one["data"].items()
        assert text == (CHART / "dashboards" / file.removeprefix("ringfence-")).read_text()


REFUSED = {
    "no store": (["--set", "store.endpoint="], "store/endpoint"),
    "no image": (["--set", "workload.image="], "workload/image"),
    "unknown value": (["--set", "replica=3"], "'replica' not allowed"),
    "unknown within": (["--set", "store.bucket=x"], "'bucket' not allowed"),
    "credentials": (["--set", "store.credentials=Shared"], "store/credentials"),
    "digest": (["--set", "image.digest=sha256:12"], "image/digest"),
    "replicas": (["--set", "replicas=0"], "replicas"),
    "scraper": (["--set", "metrics.from=Monitoring!"], "metrics/from"),
    "cidr": (["--set", "network.dns=10.0.0.1"], "network/dns"),
    "minio without secret": (["--set", "minio.enabled=true"], "minio"),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.replace(" ", "-"))
def test_values_that_cannot_work_are_refused_by_name(case):
    options, expected = REFUSED[case]
    done = template(*options)
    assert done.returncode != 0 and expected in done.stderr


def test_monitors_without_the_prometheus_operator_are_refused_with_the_way_out():
    done = template("--set", "metrics.monitors.enabled=true", apis=())
    assert done.returncode != 0
    assert "need the Prometheus Operator's CRDs" in done.stderr and "set both to false" in done.stderr


def test_every_value_has_a_schema_and_every_schema_a_value():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def paths(tree: dict, prefix: str = "") -> set[str]:
        return {
            p
            for k, v in tree.items()
            for p in {prefix + k} | (paths(v, f"{prefix}{k}.") if isinstance(v, dict) else set())
        }

    def declared(tree: dict, prefix: str = "") -> set[str]:
        properties = tree.get("properties", {})
        return {p for k, v in properties.items() for p in {prefix + k} | declared(v, f"{prefix}{k}.")}

    free = re.compile(r"^(resources|metrics\.\w+\.labels)\.")
    assert {path for path in paths(values) if not free.match(path)} == declared(schema) - {"global"}
