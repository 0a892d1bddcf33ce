"""What a finished job leaves behind under `<output>/<job uid>/`: model, config, statement, card and report."""

from __future__ import annotations

import json
from typing import Any

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.acceptance.accepted import Acceptance
from ringfence.federation import layout
from ringfence.federation.figures import figures
from ringfence.federation.finished import Finished
from ringfence.federation.rounds import model_digest
from ringfence.federation.stated import facts
from ringfence.observe import card, report
from ringfence.privacy import statement
from ringfence.store.interface import Store
from ringfence.tasks import Task
from ringfence.tasks.load import load_task
from ringfence.tasks.probe import probe
from ringfence.training.flat import FlatModel
from ringfence.training.personal import check_personal


def build(acceptance: Acceptance) -> tuple[Task, FlatModel]:
    """The task, probed on invented rows, and its model with the initial weights of `spec.seed`.

    Raises InvalidTask before anything is reserved.
    """
    spec = acceptance.job.spec
    schema = acceptance.participants[0].manifest.schema_
    task = load_task(spec.task.class_, spec.task.args, acceptance.code.data)
    task.check(spec)
    check_personal(task, by_user=spec.local.by_user)
    probe(task, schema)
    torch.manual_seed(spec.seed)
    return task, FlatModel(task.model(schema))


def write(
    finished: Finished, store: Store, coordinator: Ed25519PrivateKey, endorser: Ed25519PrivateKey | None
) -> dict[str, Any]:
    """Write model, config, statement, card, report, and the table of a task that makes one.

    The signed statement is returned. Without an endorser it waits for the endorsement of who admitted the job.
    """
    document = statement.sign(statement.build(facts(finished)), coordinator)
    if endorser is not None:
        document = statement.endorse(document, endorser)
    rounds = [
        {
            "round": commit.round,
            "seconds": f"{sum(float(part) for part in commit.seconds.values()):.3f}",
            "members": sorted(commit.members),
            "metrics": commit.metrics,
            "parts": commit.seconds,
        }
        for commit in finished.commits
    ]
    job = finished.acceptance.job
    title = f"{job.metadata.namespace}/{job.metadata.name}"
    table = figures(finished)
    if table is not None:
        store.put(layout.FIGURES, json.dumps(table, indent=2).encode())
    store.put(layout.MODEL, finished.model.to_bytes())
    store.put(layout.CONFIG, json.dumps(_config(finished), indent=2, sort_keys=True).encode())
    store.put(layout.STATEMENT, statement.dump(document))
    store.put(layout.CARD, card.card(document, finished.commits[-1].metrics).encode())
    store.put(layout.REPORT, report.render(document, rounds, title, table).encode())
    return document


def _config(finished: Finished) -> dict[str, Any]:
    spec = finished.acceptance.job.spec
    schema = finished.acceptance.participants[0].manifest.schema_
    task = {"class": spec.task.class_, "args": dict(spec.task.args), "code": finished.acceptance.code.digest}
    return {"task": task, "schema": schema.document(), "model": model_digest(finished.model)}
