"""Who may do what: least privilege, and what an owner's bindings say. What the chart makes of it: tests/charts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from support.operator_jobs import budget

from ringfence.spec.consent import bindings, dump_bindings
from ringfence.spec.load import load_manifests
from ringfence.spec.write import dump
from ringfence_operator.install import roles

RULES = {"watches": roles.WATCHES, "silo": roles.SILO, "job": roles.JOB, "own": roles.OWN, "scanning": roles.SCANNING}


@pytest.mark.parametrize("name", RULES)
def test_no_role_has_a_wildcard_and_secrets_are_never_listed(name: str) -> None:
    for rule in RULES[name]:
        assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["create"] or rule.get("resourceNames") == ["ringfence-operator"]


def test_an_owners_bindings_name_the_consumers_and_this_budget_only() -> None:
    role, use, operator = bindings(budget("mercy"))
    assert role["rules"][0]["resourceNames"] == ["patients"]
    assert role["rules"][0]["verbs"] == ["use"]
    assert [one["name"] for one in use["subjects"]] == ["system:serviceaccounts:research"]
    assert operator["roleRef"]["name"] == "ringfence-silo"
    assert {one["metadata"]["namespace"] for one in (role, use, operator)} == {"mercy-ns"}


def test_a_budget_with_its_bindings_is_one_file_for_kubectl_and_for_run(tmp_path: Any) -> None:
    one = budget("mercy")
    path = tmp_path / "budget.yaml"
    path.write_text(dump(one) + dump_bindings(one))
    assert [each["kind"] for each in yaml.safe_load_all(path.read_text())] == [
        "PrivacyBudget",
        "Role",
        "RoleBinding",
        "RoleBinding",
    ]
    assert load_manifests([path]).budgets == (one,)
