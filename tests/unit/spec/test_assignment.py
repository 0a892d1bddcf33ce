"""What a pod is told: it comes back as it was written, and a malformed one is refused by the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import InvalidInput
from ringfence.spec.assignment import (
    CoordinatorAssignment,
    Keys,
    ManifestPin,
    MemberKeys,
    RememberedHead,
    SiloAssignment,
)
from ringfence.spec.job import FederatedJob

SIGN, SEAL, DIGEST = "ed25519:" + "A" * 43, "x25519:" + "A" * 43, "sha256:" + "0" * 64


def job() -> FederatedJob:
    return FederatedJob.model_validate(
        {
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "FederatedJob",
            "metadata": {"name": "readmission", "namespace": "research"},
            "spec": {
                "task": {"class": "ringfence.tasks:TabularClassifier"},
                "silos": [{"name": "mercy", "dataset": "s3://mercy/public"}],
                "rounds": 2,
                "local": {"batchSize": 8, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
                "strategy": {"name": "fedavg"},
                "output": "s3://research/models",
            },
        }
    )


def silo() -> SiloAssignment:
    return SiloAssignment(
        uid="4f1c",
        silo="mercy",
        job=job(),
        dataset="s3://mercy/public",
        manifest=ManifestPin(version=1, digest=DIGEST),
        code="builtin",
        coordinator=Keys(sign=SIGN, seal=SEAL),
        private=False,
        heads={"d1": RememberedHead(index=4, hash=DIGEST)},
    )


def test_an_assignment_reads_back_and_its_job_has_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "assignment.json").write_text(silo().write())
    read = SiloAssignment.read(tmp_path / "assignment.json")
    assert read == silo()
    assert read.job.digest() == job().digest()


def test_a_coordinators_assignment_reads_back(tmp_path: Path) -> None:
    told = CoordinatorAssignment(
        uid="4f1c",
        job=job(),
        budgets=(),
        manifests={"mercy": ManifestPin(version=1, digest=DIGEST)},
        members={"mercy": MemberKeys(sign=SIGN, seal=SEAL, records=10)},
    )
    (tmp_path / "assignment.json").write_text(told.write())
    assert CoordinatorAssignment.read(tmp_path / "assignment.json") == told


@pytest.mark.parametrize(
    "text", ["", "{}", "not json", '{"uid": "a", "surprise": 1}'], ids=["empty", "bare", "text", "x"]
)
def test_a_malformed_assignment_is_refused_by_the_files_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "assignment.json").write_text(text)
    with pytest.raises(InvalidInput, match="the assignment is missing or malformed") as refused:
        SiloAssignment.read(tmp_path / "assignment.json")
    assert refused.value.where.endswith("assignment.json")
