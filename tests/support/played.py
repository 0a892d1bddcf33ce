"""Pods played by a test: what a kubelet, a driver, a silo and a coordinator would leave behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from support.control_plane import ControlPlane
from support.hospitals import House as Hospitals

from ringfence.privacy import statement
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.entries import Charge
from ringfence.privacy.ledger.view import LedgerView
from ringfence.privacy.orders import scale
from ringfence.privacy.statement import CostFacts, JobFacts, LedgerFacts, PrivacyFacts, RoundFacts, SiloFacts
from ringfence.spec.job import FederatedJob
from ringfence_operator.ledgers.house import House

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def children(plane: ControlPlane, kind: str, uid: str) -> list[dict[str, Any]]:
    """Objects of a job, in all namespaces."""
    found = plane.kubectl("get", kind, "-A", "-l", f"ringfence.dev/job-uid={uid}", "-o", "json")
    return list(json.loads(found)["items"])


def pod(plane: ControlPlane, owner: dict[str, Any]) -> dict[str, Any]:
    """The pod of a RayCluster or Job, as its controller makes it: from the template, owned, and not yet running."""
    cluster = owner["kind"] == "RayCluster"
    template = owner["spec"]["headGroupSpec"]["template"] if cluster else owner["spec"]["template"]
    reference = {name: owner[name] for name in ("apiVersion", "kind")}
    reference |= {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    metadata = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "labels": template["metadata"]["labels"],
        "ownerReferences": [reference],
    }
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    made = plane.kubectl("create", "-f", "-", "-o", "json", documents=[document])
    return dict(json.loads(made))


def say(plane: ControlPlane, one: dict[str, Any], status: dict[str, Any]) -> None:
    """What the kubelet reports."""
    plane.kubectl(
        *("patch", one["kind"], one["metadata"]["name"], "-n", one["metadata"]["namespace"]),
        *("--subresource=status", "--type=merge", "-p", json.dumps({"status": status})),
    )


def containers(one: dict[str, Any], **states: dict[str, Any]) -> dict[str, Any]:
    """A pod's status; containers that are not named run."""
    found = []
    for container in one["spec"]["containers"]:
        state = states.get(container["name"].replace("-", "_"), RUNNING)
        found.append(
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0,
                "state": state,
            }
        )
    return {"phase": "Running", "containerStatuses": found}


def ended(one: dict[str, Any], code: int, **report: Any) -> dict[str, Any]:
    """A container that left a report; by default its own pod's."""
    message = json.dumps({"podUid": one["metadata"]["uid"], **report})
    return {"terminated": {"exitCode": code, "reason": "Completed" if not code else "Error", "message": message}}


def train(hospitals: Hospitals, house: House, job: dict[str, Any], rounds: int) -> None:
    """Every silo charges its next rounds, with its own key."""
    uid = job["metadata"]["uid"]
    for silo in hospitals.silos:
        ledger, key = hospitals.ledger(silo), house.keys(uid, silo).sign
        done = len(ledger.view.charged.get((uid, silo), {}))
        held = ledger.view.reservations[(uid, silo)].reserve
        for number in range(done + 1, done + rounds + 1):
            body = Charge(uid, silo, number, "sha256:" + f"{number:064x}", held.cost)
            operations.charge(ledger, key, body)


def state(hospitals: Hospitals, house: House, resource: FederatedJob, uid: str, factor: int = 1) -> None:
    """The coordinator's statement, signed by the job's key; a `factor` other than 1 lies about the cost."""
    store = hospitals.stores.open(f"{resource.spec.output}/{uid}")
    silos = tuple(_silo(hospitals, hospitals.view(silo), silo, uid, factor) for silo in hospitals.silos)
    facts = statement.StatementFacts(
        job=JobFacts(
            uid=uid,
            name=resource.metadata.name,
            namespace=resource.metadata.namespace,
            spec_digest=resource.digest(),
            task=resource.spec.task.class_,
            code="builtin",
            image="workload:1",
        ),
        silos=silos,
        rounds=tuple(
            RoundFacts(round=number, members=tuple(sorted(hospitals.silos)), model="sha256:" + "0" * 64)
            for number in range(1, resource.spec.rounds + 1)
        ),
        model="sha256:" + "0" * 64,
        metrics={},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    document = statement.sign(statement.build(facts), house.keys(uid, "").sign)
    store.put("statement.json", statement.dump(document))


def _silo(hospitals: Hospitals, view: LedgerView, silo: str, uid: str, factor: int) -> SiloFacts:
    manifest, limit = hospitals.manifest(silo), view.limit
    held = view.reservations[(uid, silo)].reserve
    charged = len(view.charged.get((uid, silo), {})) * factor
    plan = held.plan
    privacy = PrivacyFacts(
        approved_by=f"PrivacyBudget {silo}/patients",
        mechanism=plan.mechanism,
        sampling_rate=plan.sampling_rate,
        noise_multiplier=plan.noise_multiplier,
        max_grad_norm=plan.max_grad_norm,
        steps_per_round=plan.steps_per_round,
        rounds_planned=plan.rounds * factor,
        rounds_charged=charged,
        cost=CostFacts(orders=limit.orders, round=held.cost, total=scale(held.cost, charged)),
        job_epsilon=plan.job_epsilon,
        job_delta=_text(plan.job_delta),
        pld_epsilon="1.000000",
        ledger=LedgerFacts(
            accountant=limit.accountant,
            spent_before="0",
            spent_after=_text(view.spent_epsilon()),
            limit_epsilon=_text(limit.epsilon),
            limit_delta=_text(limit.delta),
            highest_epsilon=_text(view.highest_epsilon),
            head_index=view.head.index,
            head_hash=view.head.hash,
        ),
    )
    return SiloFacts(
        name=silo,
        dataset=manifest.dataset,
        url=hospitals.url(silo),
        manifest_version=manifest.version,
        manifest_digest=manifest.digest(),
        owner=manifest.owner,
        records=manifest.records,
        privacy=privacy,
    )


def _text(value: object) -> str:
    return format(Decimal(str(value)), "f")
