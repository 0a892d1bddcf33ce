"""Jobs as the operator sees them, built short: a test says only what differs from a job that runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.load import parse_document
from ringfence.spec.status import FederatedJobStatus
from ringfence_operator.names import FINALIZER, child
from ringfence_operator.seen import (
    Accepted,
    Anchor,
    Children,
    Cluster,
    Consent,
    Container,
    Findings,
    Job,
    Party,
    Pinned,
    Pod,
    Seen,
    Task,
)
from ringfence_operator.settings import Settings

UID = "f2a19046-c691-4ac0-8678-6d3db43c4952"
NOW = 1_800_000_000.0
KEY = "ed25519:" + "A" * 43
SEAL = "x25519:" + "A" * 43
DIGEST = "sha256:" + "0" * 64
SETTINGS = Settings(image="workload:1", endpoint="http://store:9000", identity="one")
RUNS = Container(running=True, ready=True)


def job_document(**changes: Any) -> dict[str, Any]:
    spec = {
        "task": {"class": "ringfence.tasks:TabularClassifier", "args": {}},
        "silos": [
            {"name": "mercy", "budgetRef": {"namespace": "mercy-ns", "name": "patients"}},
            {"name": "stjude", "budgetRef": {"namespace": "stjude-ns", "name": "patients"}},
        ],
        "rounds": 3,
        "local": {"epochs": "1", "batchSize": 32, "optimizer": {"name": "sgd", "learningRate": "0.5"}},
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": "2", "delta": "1e-5", "maxGradNorm": "1"},
        "output": "s3://research/models/readmission",
        **changes,
    }
    return {
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "FederatedJob",
        "metadata": {"name": "readmission", "namespace": "research"},
        "spec": {name: value for name, value in spec.items() if value is not None},
    }


def resource(**changes: Any) -> FederatedJob:
    found = parse_document(job_document(**changes), "job")
    assert isinstance(found, FederatedJob)
    return found


def budget(silo: str, **changes: Any) -> PrivacyBudget:
    spec = {
        "dataset": f"s3://{silo}/rows",
        "signer": KEY,
        "keySecretRef": {"name": "shard-key"},
        "unit": "Record",
        "epsilon": "8",
        "delta": "1e-5",
        "consumers": [{"namespace": "research"}],
        **changes,
    }
    metadata = {"name": "patients", "namespace": f"{silo}-ns"}
    document = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "PrivacyBudget", "metadata": metadata, "spec": spec}
    found = parse_document(document, "budget")
    assert isinstance(found, PrivacyBudget)
    return found


def job(status: FederatedJobStatus | None = None, spec: dict[str, Any] | None = None, **changes: Any) -> Job:
    plain = Job(
        uid=UID,
        namespace="research",
        name="readmission",
        generation=1,
        created="2026-01-01T00:00:00Z",
        deleted_at="",
        finalizers=(FINALIZER,),
        resource=resource(**(spec or {})),
        fault="",
        status=status or FederatedJobStatus(),
    )
    return replace(plain, **changes)


def accepted(silos: tuple[str, ...] = ("mercy", "stjude")) -> Accepted:
    pins = {
        name: Pinned(
            f"s3://{name}/rows",
            1,
            DIGEST,
            600,
            ledger=f"s3://{name}/rows",
            before="0",
            head=(f"d{name}", 3, DIGEST),
            orders=("2", "4"),
            cost=(1000, 2000),
        )
        for name in silos
    }
    return Accepted("builtin", pins, {name: Party(KEY, SEAL) for name in silos}, Party(KEY, SEAL))


def findings(**changes: Any) -> Findings:
    yes = {name: Consent(True, "", NOW) for name in ("mercy", "stjude")}
    heard = ("", NOW)
    return Findings(**{"acceptance": accepted(), "consent": yes, "reservation": True, "heard": heard, **changes})


def seen(one: Job, children: Children | None = None, **changes: Any) -> Seen:
    budgets = (
        {silo.name: budget(silo.name) for silo in one.resource.spec.silos if silo.budget_ref} if one.resource else {}
    )
    given = {"budgets": budgets, "findings": findings(), "now": NOW, **changes}
    return Seen(job=one, children=children or Children(), **given)


def anchor(silo: str, attempt: int = 1, **changes: Any) -> Anchor:
    name = child(UID, silo, attempt, coordinator=not silo)
    return replace(
        Anchor(f"{silo}-ns" if silo else "research", name, f"anchor-{silo}-{attempt}", silo, attempt), **changes
    )


def cluster(silo: str, attempt: int = 1, **changes: Any) -> Cluster:
    plain = Cluster(
        f"{silo}-ns", child(UID, silo, attempt), f"cluster-{silo}-{attempt}", silo, attempt, f"anchor-{silo}-{attempt}"
    )
    return replace(plain, **changes)


def task(attempt: int = 1, **changes: Any) -> Task:
    name = child(UID, "", attempt, coordinator=True)
    return replace(Task("research", name, f"task-{attempt}", attempt, f"anchor--{attempt}"), **changes)


def pod(silo: str, attempt: int = 1, **changes: Any) -> Pod:
    name = f"{child(UID, silo, attempt, coordinator=not silo)}-head-x"
    ray = RUNS if silo else None
    plain = Pod(
        f"{silo}-ns" if silo else "research",
        name,
        f"pod-{silo}-{attempt}",
        silo,
        attempt,
        "Running",
        main=RUNS,
        ray=ray,
    )
    return replace(plain, **changes)


def report(of: Pod, code: int, **fields: Any) -> Container:
    """A container that ended and left a report, by default its own pod's."""
    return Container(code=code, message=json.dumps({"podUid": of.uid, **fields}))


def everything(silos: tuple[str, ...] = ("mercy", "stjude"), attempt: int = 1) -> Children:
    """The children of a job that runs."""
    return Children(
        anchors=(anchor("", attempt), *(anchor(silo, attempt) for silo in silos)),
        clusters=tuple(cluster(silo, attempt) for silo in silos),
        pods=(pod("", attempt), *(pod(silo, attempt) for silo in silos)),
        tasks=(task(attempt),),
    )
