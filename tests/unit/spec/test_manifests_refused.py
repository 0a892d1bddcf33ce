"""A manifest with a mistake is refused in one line: the field's path, the reason, the nearest right spelling."""

import copy
from typing import Any

import pytest
import yaml

from ringfence.errors import InvalidManifest
from ringfence.spec import parse_document

JOB = """
apiVersion: ringfence.dev/v1alpha1
kind: FederatedJob
metadata: {name: readmission, namespace: research}
spec:
  task: {class: "ringfence.tasks:TabularClassifier", args: {hidden: [64, 32], dropout: 0.5}}
  silos:
  - {name: mercy, budgetRef: {namespace: mercy, name: patients}}
  - {name: stjude, budgetRef: {namespace: stjude, name: patients}}
  rounds: 50
  local: {batchSize: 64, optimizer: {name: sgd, learningRate: "0.1"}}
  strategy: {name: fedavg}
  privacy: {epsilon: "2", delta: "1e-6", maxGradNorm: "1"}
  evaluation: {dataset: "s3://research/public-holdout", everyRounds: 5, metrics: [auc]}
  output: s3://research/models/readmission
"""
BUDGET = """
apiVersion: ringfence.dev/v1alpha1
kind: PrivacyBudget
metadata: {name: patients, namespace: mercy}
spec:
  dataset: s3://mercy/readmissions
  signer: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  keySecretRef: {name: shard-key}
  unit: Record
  epsilon: "8"
  delta: "1e-6"
  consumers: [{namespace: research, maxEpsilon: "4", maxEpsilonPerJob: "2"}]
  purposes: [readmission-prediction]
"""
GONE = object()
PUBLIC = {"name": "mercy", "dataset": "s3://open/mercy"}


def changed(base: str, path: str, value: Any) -> Any:
    """The document with the value at `path` (dots, digits for places in lists) replaced, added or removed."""
    document = yaml.safe_load(base)
    owner = document
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        owner = owner[part]
    if value is GONE:
        del owner[last]
    else:
        owner[last] = copy.deepcopy(value)
    return document


def refusal(document: object) -> str:
    with pytest.raises(InvalidManifest) as caught:
        parse_document(document, "job.yaml")
    line = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in line
    return line


EVERYBODY = {"everybody": "Records", "optimizer": {"name": "sgd", "learningRate": "1"}}

FIELDS = [
    ("privacy.epsilon", 2, 'must be a string, found the number 2, write "2"'),
    ("privacy.epsilon", 2.5, 'must be a string, found the number 2.5, write "2.5"'),
    ("privacy.delta", 1e-6, 'must be a string, found the number 1e-06, write "1e-6"'),
    ("privacy.epsilon", "NaN", "'NaN' is not a finite number"),
    ("privacy.epsilon", "inf", "'inf' is not a finite number"),
    ("privacy.epsilon", "0", "must be greater than zero"),
    ("privacy.epsilon", "0.000", "must be greater than zero"),
    ("privacy.epsilon", "-1", "'-1' must be greater than zero"),
    ("privacy.epsilon", "1234567", "has too many digits (at most 6 before, 12 after the point)"),
    ("privacy.epsilon", "0.0000000000001", "has too many digits (at most 6 before, 12 after the point)"),
    ("privacy.epsilon", "+2", 'is not written plainly, write "2"'),
    ("privacy.epsilon", "1E-6", 'is not written plainly, write "1e-6"'),
    ("privacy.epsilon", "two", "'two' is not a decimal number"),
    ("privacy.epsilon", True, "must be text, found true; quote the word if it was meant"),
    ("privacy.epsilon", None, "has no value; give one or leave the field out"),
    ("privacy.epsilon", ["2"], "must be text, found a list"),
    ("privacy.delta", "1", "'1' must be below 1"),
    ("local.optimizer.momentum", "1", "'1' must be below 1"),
    ("local.optimizer.momentum", "-0.5", "'-0.5' must not be negative"),
    ("local.optimizer.name", "adam", "must be sgd, found 'adam'"),
    ("local.batchSize", 0, "0 is below 1"),
    ("local.batchSize", "64", "must be a whole number, found '64'"),
    ("local.batchSize", 64.5, "must be a whole number, found 64.5"),
    ("local.batchSize", True, "must be a whole number, found true"),
    ("local.batchSize", GONE, "is required"),
    ("local", {**EVERYBODY, "batchSize": 9}, "batchSize: must be left out, since everybody is Records"),
    ("local", {**EVERYBODY, "usersPerRound": 9}, "usersPerRound: must be left out, since everybody is Records"),
    ("local.everybody", "records", "must be Records or Users, found 'records', did you mean Records?"),
    ("rounds", 10_001, "10001 is above 10000"),
    ("rounds", 10**40, "is a number beyond 2^53"),
    ("rounds", GONE, "is required"),
    ("rounds", float("nan"), "is not a finite number"),
    ("silos", [], "has 0 items, fewer than 1"),
    ("silos", {"name": "mercy"}, "must be a list, found a mapping"),
    ("silos", [{**PUBLIC, "name": f"s{n}", "dataset": f"s3://open/s{n}"} for n in range(51)], "has more than 50 items"),
    ("strategy", "fedavg", "must be a mapping, found 'fedavg'"),
    ("task.class", "ringfence.tasks.TabularClassifier", 'write "ringfence.tasks:TabularClassifier"'),
    ("task.code", "s3://research/readmit.zip", "is not of the form URL@sha256:<64 hex digits>"),
    ("task.args", {"not a name": 1}, "has a name that is no Python parameter name"),
    ("task.args", {f"a{n}": n for n in range(33)}, "has 33 names, more than 32"),
    ("task.args", {"text": "x" * 20_000}, "is larger than 16 KiB"),
    ("task.args", {"deep": [[[[[[[[[[1]]]]]]]]]]}, "is nested deeper than 8 levels"),
    ("evaluation.metrics", ["AUC"], "must be auc or accuracy or loss or rmse or mae, found 'AUC', did you mean auc?"),
    ("evaluation.metrics", ["auc", "auc"], "lists auc twice"),
    ("output", "https://research/models", "is not a URL of the form s3://bucket/prefix or file:///folder"),
    ("output", "s3://research/models/", 'write "s3://research/models"'),
    ("output", "s3://research/../other", "is not a URL"),
    ("output", "s3://Research/models", "is not a URL"),
    ("output", "s3://research/" + "x" * 600, "has 614 characters, more than 512"),
    ("quorum", 3, "3 is more than the number of silos, 2"),
    ("quorum", 0, "0 is below 1"),
    ("seed", -1, "-1 is below 0"),
    ("purpose", "Readmission prediction", 'write "readmission-prediction"'),
]


@pytest.mark.parametrize(("field", "value", "reason"), FIELDS)
def test_a_wrong_value_is_refused_with_path_and_reason(field: str, value: Any, reason: str) -> None:
    line = refusal(changed(JOB, f"spec.{field}", value))
    assert line.startswith(f"job.yaml: spec.{field}")
    assert reason in line


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("spec.privacy.epsilom", "unknown field, did you mean epsilon?"),
        ("spec.round_deadline_seconds", "unknown field, did you mean roundDeadlineSeconds?"),
        ("spec.local.batchsize", "unknown field, did you mean batchSize?"),
        ("spec.local.optimizer.lerningRate", "unknown field, did you mean learningRate?"),
        ("spec.qqq", "unknown field"),
        ("metadata.uid", "is written by the cluster, remove it"),
        ("status", "is written by the cluster, remove it"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_one(path: str, near: str) -> None:
    assert refusal(changed(JOB, path, "x")) == f"job.yaml: {path}: {near}"


def test_a_misspelt_required_field_is_told_once() -> None:
    document = changed(changed_text(JOB, "spec.privacy.epsilon", GONE), "spec.privacy.epsilom", "2")
    assert refusal(document) == "job.yaml: spec.privacy.epsilom: unknown field, did you mean epsilon?"


def changed_text(base: str, path: str, value: Any) -> str:
    return yaml.safe_dump(changed(base, path, value))


def test_all_faults_of_a_document_stand_on_one_line() -> None:
    document = changed(changed_text(JOB, "spec.rounds", 0), "spec.privacy.epsilon", "0")
    assert refusal(document) == "job.yaml: spec.rounds: 0 is below 1; spec.privacy.epsilon: must be greater than zero"


def test_many_faults_are_counted_instead_of_listed() -> None:
    document = changed(JOB, "spec.silos", [{"name": f"S{n}", "dataset": "s3://open/x"} for n in range(20)])
    assert refusal(document).endswith("; and 12 more")


@pytest.mark.parametrize(
    ("silo", "reason"),
    [
        ({"name": "mercy"}, "spec.silos[0]: names neither of budgetRef and dataset; name exactly one"),
        (
            {**PUBLIC, "budgetRef": {"namespace": "mercy", "name": "patients"}},
            "spec.silos[0]: names both of budgetRef and dataset; name exactly one",
        ),
        ({**PUBLIC, "name": "stjude"}, "spec.silos: silo stjude is named 2 times"),
        (
            {"name": "mercy", "budgetRef": {"namespace": "stjude", "name": "patients"}},
            "spec.silos: budgetRef stjude/patients is used by 2 silos",
        ),
    ],
)
def test_a_silo_names_its_rows_once(silo: dict[str, Any], reason: str) -> None:
    assert refusal(changed(JOB, "spec.silos.0", silo)) == f"job.yaml: {reason}"


def test_privacy_is_required_with_a_budget_and_absent_without() -> None:
    assert "spec.privacy: is required, since silo mercy has a budgetRef" in refusal(changed(JOB, "spec.privacy", GONE))
    public = changed(JOB, "spec.silos", [PUBLIC])
    assert "spec.privacy: must be left out, since every silo's dataset is public" in refusal(public)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("unit", "record", "must be Record or User or Silo, found 'record', did you mean Record?"),
        ("accountant", "gdp-clt", "must be rdp or gdp, found 'gdp-clt'"),
        ("signer", "ed25519:short", "is not a public key of the form ed25519:<43 characters>"),
        ("signer", "ed25519:" + "A" * 42 + "B", "is not a public key of the form ed25519:<43 characters>"),
        ("consumers", [{"namespace": "a"}, {"namespace": "a"}], "lists a twice"),
        ("purposes", ["a", "a"], "lists a twice"),
        ("runtime", {"allowedCode": ["builtins"]}, "is neither 'builtin' nor sha256:<64 hex digits>"),
        ("runtime", {"volumes": "x"}, "unknown field"),
        ("consumers", [{"namespace": "a", "maxEpsilonPerjob": "1"}], "did you mean maxEpsilonPerJob?"),
        ("epsilon", 8, 'write "8"'),
    ],
)
def test_a_wrong_budget_is_refused(field: str, value: Any, reason: str) -> None:
    line = refusal(changed(BUDGET, f"spec.{field}", value))
    assert line.startswith(f"job.yaml: spec.{field}")
    assert reason in line


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ([], "job.yaml: document: must be a mapping with apiVersion and kind, found a list"),
        ("text", "job.yaml: document: must be a mapping with apiVersion and kind, found 'text'"),
        ({}, "job.yaml: apiVersion: is required; kind: is required"),
        (
            changed(JOB, "apiVersion", "ringfence.dev/v1"),
            "job.yaml: apiVersion: must be ringfence.dev/v1alpha1, found 'ringfence.dev/v1'",
        ),
        (
            changed(JOB, "kind", "FederatedJobs"),
            "job.yaml: kind: must be FederatedJob or PrivacyBudget, found 'FederatedJobs', did you mean FederatedJob?",
        ),
        (changed(JOB, "kind", {}), "job.yaml: kind: must be FederatedJob or PrivacyBudget, found a mapping"),
        (changed(JOB, "spec.rounds", {1: 2}), "job.yaml: spec.rounds: has a field name that is not text"),
        (changed(JOB, "spec.purpose", "\ud800"), "job.yaml: spec.purpose: holds characters that are not Unicode text"),
        (changed(JOB, "spec.purpose", b"x"), "job.yaml: spec.purpose: holds a bytes, which is not JSON"),
        (changed(JOB, "spec.rounds", {1}), "job.yaml: spec.rounds: holds a set, which is not JSON"),
    ],
)
def test_a_document_that_is_no_resource_is_refused(document: object, line: str) -> None:
    assert refusal(document) == line


def test_a_document_that_holds_itself_is_refused_not_followed() -> None:
    endless: list[Any] = []
    endless.append(endless)
    endless.append(endless)
    line = refusal(changed(JOB, "spec.task.args", {"x": 1}) | {"spec": endless})
    assert "holds more than 50000 values" in line or "is nested deeper than 32 levels" in line


def test_a_document_of_too_many_values_is_refused() -> None:
    assert refusal(changed(JOB, "spec.task.args", {"x": [0] * 60_000})) == (
        "job.yaml: document: holds more than 50000 values"
    )
