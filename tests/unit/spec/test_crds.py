"""The committed CRDs are what the models generate, and the API server can bound and type every part of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ringfence.generated import differences
from ringfence.spec.crds import crd, render

COMMITTED = Path(__file__).parents[3] / "crds"
KINDS = ("FederatedJob", "PrivacyBudget")
RE2_LACKS = re.compile(r"\(\?[=!<P]|\\[1-9dDwWsSbBZ]|[*+?}]\+")


def schema(kind: str) -> dict[str, Any]:
    root: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def parts(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a value below `node`, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from parts(child, f"{path}.{name}")
    if "items" in node:
        yield from parts(node["items"], f"{path}[]")


def is_map(node: dict[str, Any]) -> bool:
    """A bounded map of bounded texts."""
    values = node.get("additionalProperties", {})
    return values.get("type") == "string" and values["maxLength"] <= 1024 and node["maxProperties"] <= 16


def every() -> list[tuple[str, dict[str, Any]]]:
    return [(kind + path, node) for kind in KINDS for path, node in parts(schema(kind))]


def test_committed_crds_are_current() -> None:
    assert differences(render(), COMMITTED) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_is_small_and_names_itself(kind: str) -> None:
    text = render()[f"ringfence.dev_{kind.lower()}s.yaml"]
    assert len(text.encode()) < 100_000
    assert yaml.safe_load(text) == crd(kind)
    assert not re.search(r"[&*]id\d", text)
    spec = crd(kind)["spec"]
    assert (spec["group"], spec["versions"][0]["name"], spec["scope"]) == ("ringfence.dev", "v1alpha1", "Namespaced")
    assert spec["names"]["shortNames"] == [{"FederatedJob": "fj", "PrivacyBudget": "pb"}[kind]]
    assert spec["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", KINDS)
def test_printer_columns_show_fields_that_exist(kind: str) -> None:
    paths = {path for path, _ in parts(schema(kind))} | {".metadata.creationTimestamp"}
    columns = crd(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
    assert {column["jsonPath"] for column in columns} <= paths


@pytest.mark.parametrize(("path", "node"), every(), ids=[path for path, _ in every()])
def test_every_value_is_typed_bounded_and_explained(path: str, node: dict[str, Any]) -> None:
    assert node["type"] in {"object", "array", "string", "integer", "boolean"}  # no floats, no unions
    inside = path.count(".") >= 2
    if inside and not path.endswith("[]"):
        assert len(node["description"]) > 10
    if node["type"] == "string" and inside:
        assert "enum" in node or node["maxLength"] <= 1024
    if node["type"] == "array":
        assert node["maxItems"] <= 100
        assert node["x-kubernetes-list-type"] in {"map", "set", "atomic"}
    if node["type"] == "integer":
        assert node["format"] == "int64"
        assert "minimum" in node
    if node["type"] == "object" and path.count("."):
        free = node.get("x-kubernetes-preserve-unknown-fields") or path.endswith(".metadata")
        assert node.get("properties") or is_map(node) or free


@pytest.mark.parametrize(("path", "node"), every(), ids=[path for path, _ in every()])
def test_nothing_that_a_structural_schema_forbids(path: str, node: dict[str, Any]) -> None:
    forbidden = {"$ref", "$defs", "title", "const", "anyOf", "oneOf", "uniqueItems", "additionalProperties", "nullable"}
    assert not forbidden & (set(node) - ({"additionalProperties"} if is_map(node) else set()))
    for pattern in [node.get("pattern", ""), *(branch["pattern"] for branch in node.get("allOf", []))]:
        assert not RE2_LACKS.search(pattern)
    assert set(node.get("required", [])) <= set(node.get("properties", {}))
    for key in node.get("x-kubernetes-list-map-keys", []):
        assert key in node["items"]["required"]


def test_rules_name_fields_that_exist_and_every_field_of_a_job_is_fixed() -> None:
    for kind in KINDS:
        for _, node in parts(schema(kind)):
            for rule in node.get("x-kubernetes-validations", []):
                for field in re.findall(r"(?:self|oldSelf)\.([A-Za-z0-9]+)", rule["rule"]):
                    assert field in node["properties"]
                assert "namespace" not in rule["rule"]  # a reserved word of CEL, escaped in rules
    spec = schema("FederatedJob")["properties"]["spec"]
    fixed = {rule["fieldPath"] for rule in spec["x-kubernetes-validations"] if "oldSelf" in rule["rule"]}
    assert fixed == {f".{name}" for name in spec["properties"]} - {".suspend"}


def test_a_rule_on_a_field_that_may_be_absent_says_has_on_both_sides() -> None:
    for kind in KINDS:
        spec = schema(kind)["properties"]["spec"]
        always = set(spec["required"]) | {name for name, part in spec["properties"].items() if "default" in part}
        for rule in spec["x-kubernetes-validations"]:
            field = rule.get("fieldPath", ".")[1:]
            if "oldSelf" in rule["rule"] and field not in always:
                assert f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) ||" in rule["rule"]


def test_what_the_ledger_holds_for_good_is_fixed_in_the_budget() -> None:
    rules = schema("PrivacyBudget")["properties"]["spec"]["x-kubernetes-validations"]
    assert {rule["fieldPath"] for rule in rules} == {".dataset", ".signer", ".unit", ".delta", ".accountant"}


def test_the_quorum_privacy_and_source_rules_are_in_the_crd() -> None:
    spec = schema("FederatedJob")["properties"]["spec"]
    rules = [rule["rule"] for rule in spec["x-kubernetes-validations"]]
    assert "!has(self.quorum) || self.quorum <= size(self.silos)" in rules
    assert "self.silos.exists(silo, has(silo.budgetRef)) == has(self.privacy)" in rules
    (silo,) = spec["properties"]["silos"]["items"]["x-kubernetes-validations"]
    assert silo["rule"] == "has(self.budgetRef) != has(self.dataset)"
