"""What an attempt is made of: golden documents, and rules that every pod keeps."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.operator_jobs import SETTINGS, UID, accepted, budget, job, resource

from ringfence_operator.manifests import Attempt, anchor, parts
from ringfence_operator.manifests.secrets import Confidential
from ringfence_operator.names import child
from ringfence_operator.settings import Network, Settings

GOLDEN = Path(__file__).parents[2] / "vectors/operator"
RUNTIME = {
    "image": "registry.example/workload@sha256:" + "1" * 64,
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "queueName": "gpu",
}
MANAGED = replace(
    SETTINGS,
    credentials="Managed",
    extra_claim=("ringfence-torch", "/opt/torch"),
    network=Network("10.1.2.3/32", "10.96.0.10/32", "10.96.0.1/32"),
)


def attempt(silo: str, settings: Settings = SETTINGS, **changes: Any) -> Attempt:
    one = job(spec={"resources": {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}}})
    budgets = {"mercy": budget("mercy", **changes), "stjude": budget("stjude")}
    assert one.resource is not None
    return Attempt(one, one.resource, silo, 1, budgets, accepted(), settings)


def documents(one: Attempt) -> list[dict[str, Any]]:
    secret = Confidential("KEYS", *(("ACCESS", "SECRET") if one.settings.credentials == "Managed" else ()))
    return [anchor(one), *parts(one, "anchor-uid", secret)]


CASES = {
    "silo-provided": lambda: attempt("mercy"),
    "silo-managed": lambda: attempt("mercy", MANAGED, runtime=RUNTIME),
    "coordinator-provided": lambda: attempt(""),
    "coordinator-managed": lambda: attempt("", MANAGED),
}


@pytest.mark.parametrize("name", CASES)
def test_an_attempt_is_rendered_as_reviewed(name: str) -> None:
    """The files were read by people; a change of them is a change of what runs in a silo."""
    found = yaml.safe_dump_all(documents(CASES[name]()), sort_keys=True, width=120)
    assert found == (GOLDEN / f"{name}.yaml").read_text()


def pods() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, one in CASES.items():
        last = documents(one())[-1]
        spec = last["spec"]["headGroupSpec"]["template"] if last["kind"] == "RayCluster" else last["spec"]["template"]
        found.append((name, spec["spec"]))
    return found


@pytest.mark.parametrize(("name", "pod"), pods(), ids=list(CASES))
def test_every_pod_is_restricted_and_writes_nowhere_but_in_memory_and_tmp(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert writable == {"/tmp", "/dev/shm"}
    kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
    assert kinds <= {"emptyDir", "secret", "projected", "configMap", "persistentVolumeClaim"}
    assert pod["automountServiceAccountToken"] is name.startswith("coordinator")
    assert pod["restartPolicy"] == "Never"


def test_a_silos_pod_is_its_owners_and_says_nothing_of_the_engineers() -> None:
    cluster = documents(attempt("mercy", MANAGED, runtime=RUNTIME))[-1]
    pod = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    assert {container["image"] for container in pod["containers"]} == {RUNTIME["image"]}
    assert [container["name"] for container in pod["containers"]] == ["ray-head", "driver"]
    assert pod["shareProcessNamespace"] is True
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["tolerations"] == RUNTIME["tolerations"]
    assert cluster["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
    assert cluster["metadata"]["namespace"] == "mercy-ns"
    assert "suspend" not in cluster["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "2", "nvidia.com/gpu": "1"}


def test_opened_rows_never_spill_to_disk_and_the_driver_has_the_clusters_token() -> None:
    pod = documents(attempt("mercy"))[-1]["spec"]["headGroupSpec"]["template"]["spec"]
    head, driver = ({one["name"]: one for one in container["env"]} for container in pod["containers"])
    assert head["RAY_automatic_object_spilling_enabled"]["value"] == "false"
    token = driver["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": child(UID, "mercy", 1), "key": "auth_token"}
    assert driver["RAY_AUTH_MODE"]["value"] == "token"


def test_the_policy_comes_before_the_pods_and_lets_a_silo_reach_no_api_server() -> None:
    found = [one["kind"] for one in documents(attempt("mercy", MANAGED))]
    assert found.index("NetworkPolicy") < found.index("RayCluster")
    policy = documents(attempt("mercy", MANAGED))[found.index("NetworkPolicy")]["spec"]
    cidrs = [to["ipBlock"]["cidr"] for one in policy["egress"] for to in one["to"] if "ipBlock" in to]
    assert cidrs == ["10.96.0.10/32", "10.1.2.3/32"]
    ports = {port["port"] for one in policy["egress"] for port in one.get("ports", ())}
    assert ports == {53, 9000}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"from": [{"podSelector": policy["podSelector"]}]}]
    coordinator = next(one for one in documents(attempt("", MANAGED)) if one["kind"] == "NetworkPolicy")["spec"]
    assert coordinator["ingress"] == []
    assert "10.96.0.1/32" in json.dumps(coordinator["egress"])


def test_no_secret_is_in_an_assignment_and_no_key_in_the_environment() -> None:
    for name, one in CASES.items():
        for document in documents(one()):
            text = json.dumps(document)
            if document["kind"] != "Secret":
                assert "KEYS" not in text
                assert '"SECRET"' not in text, name
            assert "/etc/ringfence/key/kek" not in text


def test_of_an_owners_secret_a_silo_gets_the_key_and_the_next_one_only() -> None:
    """Whatever else an owner put into the Secret, a signing key by mistake, stays out of the pod."""
    for one in CASES.values():
        for document in documents(one()):
            text = json.dumps(document)
            assert '"secretName": "shard-key"' not in text
            assert set(re.findall(r'"name": "shard-key", "items": \[\{"key": "([^"]*)"', text)) <= {"kek", "kek-next"}


def test_a_coordinator_may_touch_its_own_configmap_only() -> None:
    one = attempt("")
    (role,) = [document for document in documents(one) if document["kind"] == "Role"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [one.name], "verbs": ["get", "patch"]}
    ]
    task = documents(one)[-1]["spec"]
    assert (task["podReplacementPolicy"], task["backoffLimit"]) == ("Failed", 3)


def test_where_a_whole_silo_is_protected_the_coordinator_is_the_operators() -> None:
    one = attempt("")
    plain = budget("mercy")
    silo = plain.model_copy(update={"spec": plain.spec.model_copy(update={"unit": "Silo"})})
    assert one.namespace == "research"
    assert replace(one, budgets={**one.budgets, "mercy": silo}).namespace == "ringfence-system"


def test_a_public_silo_runs_in_the_jobs_namespace_without_a_key() -> None:
    silos = [{"name": "mercy", "dataset": "s3://mercy/rows"}]
    public = resource(silos=silos, privacy=None, quorum=1)
    one = Attempt(job(resource=public), public, "mercy", 1, {}, accepted(("mercy",)), SETTINGS)
    assert one.namespace == "research"
    pod = documents(one)[-1]["spec"]["headGroupSpec"]["template"]["spec"]
    assert "key" not in {volume["name"] for volume in pod["volumes"]}


def test_names_are_short_dns_labels_and_never_repeat() -> None:
    parties = ["", "a", "mercy", "x" * 63, "1", "-"[:0] + "coordinator"]
    names = {
        child(uid, party, number, coordinator=not party)
        for uid in (UID, "b")
        for party in parties
        for number in range(1, 9)
    }
    assert len(names) == 2 * len(parties) * 8
    for name in names:
        assert len(name) <= 50
        assert name[0].isalpha()
        assert name.replace("-", "").isalnum()
        assert name == name.lower()


def ingress(one: Attempt) -> list[dict[str, Any]]:
    found = next(document for document in documents(one) if document["kind"] == "NetworkPolicy")
    return [rule for rule in found["spec"]["ingress"] if "ports" in rule]


def test_a_silos_pods_are_scraped_from_the_namespace_that_its_owner_names_and_no_other() -> None:
    installation = replace(SETTINGS, network=Network(metrics="monitoring"))
    assert ingress(attempt("mercy", installation)) == [], "the installation decided for an owner"
    (rule,) = ingress(attempt("mercy", runtime={"metricsFrom": "hospital-monitoring"}))
    (allowed,) = rule["from"]
    assert allowed == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hospital-monitoring"}}}
    assert [port["port"] for port in rule["ports"]] == [8090, 8080]


def test_a_coordinator_is_scraped_from_the_installations_namespace() -> None:
    assert ingress(attempt("")) == []
    (rule,) = ingress(attempt("", replace(SETTINGS, network=Network(metrics="monitoring"))))
    assert [port["port"] for port in rule["ports"]] == [8090]
