"""Defaults, digests, immutability, and YAML that reads back as what was written."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ringfence.spec import FederatedJob, PrivacyBudget, dump, parse_document
from ringfence.spec.budget import Consumer, PrivacyBudgetSpec, SecretRef
from ringfence.spec.documents import documents
from ringfence.spec.job import LocalSpec, OptimizerSpec, SiloSpec
from ringfence.spec.resource import Metadata

JOB: dict[str, Any] = {
    "apiVersion": "ringfence.dev/v1alpha1",
    "kind": "FederatedJob",
    "metadata": {"name": "flights"},
    "spec": {
        "task": {"class": "ringfence.tasks:TabularClassifier", "args": {"hidden": [64], "dropout": 0.5}},
        "silos": [
            {"name": "ewr", "budgetRef": {"namespace": "ewr", "name": "flights"}},
            {"name": "jfk", "dataset": "file:///data/jfk"},
        ],
        "rounds": 10,
        "local": {"batchSize": 256, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": "2", "delta": "1e-6", "maxGradNorm": "1"},
        "output": "s3://models/flights",
    },
}


def job(**spec: Any) -> FederatedJob:
    parsed = parse_document({**JOB, "spec": {**JOB["spec"], **spec}}, "job.yaml")
    assert isinstance(parsed, FederatedJob)
    return parsed


def test_what_is_left_out_has_the_documented_default() -> None:
    spec = job().spec
    assert (spec.quorum, spec.round_deadline_seconds, spec.seed, spec.backoff_limit) == (2, 600, 0, 3)
    assert (spec.local.epochs, spec.local.optimizer.momentum) == ("1", "0")
    assert (spec.purpose, spec.evaluation, spec.active_deadline_seconds, spec.task.code) == (None, None, None, None)
    assert job().metadata.namespace == "default"


def test_a_budget_made_in_python_is_closed_by_default_and_reads_back() -> None:
    budget = PrivacyBudget(
        metadata=Metadata(name="flights", namespace="ewr"),
        spec=PrivacyBudgetSpec(
            dataset="s3://ewr/flights",
            signer="ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            key_secret_ref=SecretRef(name="key"),
            unit="Record",
            epsilon="8",
            delta="1e-6",
        ),
    )
    assert (budget.spec.consumers, budget.spec.purposes, budget.spec.accountant) == ((), (), "rdp")
    assert budget.spec.runtime.allowed_code == ("builtin",)
    assert parse_document(yaml.safe_load(dump(budget)), "printed") == budget


def test_written_yaml_is_what_a_person_would_write_and_quotes_what_kubectl_would_misread() -> None:
    text = dump(job(purpose="y"))
    assert 'epsilon: "2"\n    delta: "1e-6"\n' in text
    assert 'purpose: "y"' in text
    assert text.startswith("apiVersion: ringfence.dev/v1alpha1\nkind: FederatedJob\nmetadata: {name: flights}\n")
    assert "seed" not in text
    assert "quorum" not in text


@pytest.mark.parametrize(
    "text", ["\x85", "\u2028", "\ufeff", "\x7f", "a\nb ", "\t", "#", "- a", "é", "1e-6", "=", "null", ""]
)
def test_any_text_that_is_written_reads_back(text: str) -> None:
    written = parse_document({**JOB, "metadata": {"name": "flights", "labels": {text: text}}}, "job.yaml")
    (read,) = documents(dump(written), "printed")
    assert parse_document(read, "printed") == written


def test_a_resource_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        job().spec.rounds = 11  # type: ignore[misc]


def test_the_digest_is_of_namespace_name_and_spec_with_defaults_written_out() -> None:
    assert job().digest() == job(quorum=2, seed=0, roundDeadlineSeconds=600, suspend=True).digest()
    labelled = {**JOB, "metadata": {"name": "flights", "labels": {"team": "ops"}}}
    assert parse_document(labelled, "job.yaml").digest() == job().digest()  # type: ignore[union-attr]
    other = {**JOB, "metadata": {"name": "flights", "namespace": "research"}}
    changed = [job(seed=1), job(quorum=1), job(rounds=11), job(purpose="x"), parse_document(other, "job.yaml")]
    assert len({job().digest(), *(each.digest() for each in changed)}) == 6  # type: ignore[union-attr]
    assert job().digest() == "sha256:11ed4934930067ac9afc529fa347c65a233196fa6b8d14c620a2773a62d229f3"


def test_the_digest_tells_floats_from_texts_and_reads_one_point_zero_as_one() -> None:
    def digest(value: Any) -> str:
        return job(task={"class": "a:B", "args": {"x": value}}).digest()

    assert digest(0.5) != digest("0.5") != digest({"float": "0.5"})
    assert digest(1.0) == digest(1)
    assert digest([1.0, {"a": 2.0}]) == digest([1, {"a": 2}])


def test_parts_made_in_python_are_checked_like_documents() -> None:
    with pytest.raises(ValidationError, match="learning_rate"):
        OptimizerSpec(name="sgd", learning_rate="0.1 ")  # spelled with a space
    with pytest.raises(ValidationError, match="valid integer"):
        LocalSpec(batch_size="64", optimizer=OptimizerSpec(name="sgd", learning_rate="0.1"))  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="neither"):
        SiloSpec(name="a")
    assert Consumer(namespace="research", max_epsilon="4").max_epsilon_per_job is None
