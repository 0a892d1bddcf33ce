"""The facts of a statement: from manifests, commits and ledgers, never from what a process says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.errors import LedgerError
from ringfence.federation.finished import Finished
from ringfence.federation.rounds import model_digest
from ringfence.privacy.planner import GAUSSIAN
from ringfence.privacy.statement.facts import (
    CostFacts,
    JobFacts,
    LedgerFacts,
    PrivacyFacts,
    RoundFacts,
    SiloFacts,
    StatementFacts,
)


def facts(finished: Finished) -> StatementFacts:
    """Everything that the job's statement says."""
    job, acceptance = finished.acceptance.job, finished.acceptance
    return StatementFacts(
        job=JobFacts(
            uid=finished.uid,
            name=job.metadata.name,
            namespace=job.metadata.namespace,
            spec_digest=job.digest(),
            task=job.spec.task.class_,
            code=acceptance.code.digest,
            image=finished.image,
        ),
        silos=tuple(_silo(one, finished) for one in acceptance.participants),
        rounds=tuple(
            RoundFacts(round=commit.round, members=tuple(sorted(commit.members)), model=commit.model)
            for commit in finished.commits
        ),
        model=model_digest(finished.model),
        metrics=finished.commits[-1].metrics,
        unit=_unit(acceptance),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _unit(acceptance: Acceptance) -> Literal["Record", "User", "Silo"]:
    """Whom the private silos' guarantees protect. Acceptance lets no two units into one job."""
    units = {one.manifest.unit.partition(":")[0] for one in acceptance.private}
    return "User" if "User" in units else "Silo" if "Silo" in units else "Record"


def _silo(one: Participant, finished: Finished) -> SiloFacts:
    return SiloFacts(
        name=one.silo,
        dataset=one.manifest.dataset,
        url=one.url,
        manifest_version=one.manifest.version,
        manifest_digest=one.manifest.digest(),
        owner=one.manifest.owner,
        records=one.manifest.records,
        users=one.manifest.units if one.manifest.unit.startswith("User:") else None,
        privacy=_privacy(one, finished) if one.ledger else None,
    )


def _privacy(one: Participant, finished: Finished) -> PrivacyFacts:
    if one.ledger is None or one.plan is None or one.budget is None or one.ledger.view.limit is None:
        raise LedgerError("a statement of privacy needs a ledger with a limit", where=one.url)
    view, plan, limit = one.ledger.refresh(), one.plan, one.ledger.view.limit
    charged = len(view.charged_rounds(finished.uid, one.silo))
    record = plan.record()
    budget = one.budget.metadata
    return PrivacyFacts(
        approved_by=f"PrivacyBudget {budget.namespace}/{budget.name}, owner {one.manifest.owner}",
        mechanism="gaussian" if plan.mechanism == GAUSSIAN else "poisson-gaussian",
        sampling_rate=record.sampling_rate,
        noise_multiplier=plan.noise_multiplier,
        max_grad_norm=plan.max_grad_norm,
        steps_per_round=plan.steps_per_round,
        rounds_planned=plan.rounds,
        rounds_charged=charged,
        cost=CostFacts(orders=limit.orders, round=plan.cost, total=view.spent_of(finished.uid, one.silo)),
        job_epsilon=record.job_epsilon,
        job_delta=_decimal(plan.delta),
        pld_epsilon=f"{plan.pld_epsilon:.6f}",
        ledger=LedgerFacts(
            spent_before=finished.before[one.silo],
            spent_after=_decimal(view.spent_epsilon()),
            accountant="gdp" if limit.accountant == "gdp" else "rdp",
            limit_epsilon=_decimal(limit.epsilon),
            limit_delta=_decimal(limit.delta),
            highest_epsilon=_decimal(view.highest_epsilon),
            head_index=view.head.index,
            head_hash=view.head.hash,
        ),
    )


def _decimal(value: object) -> str:
    return format(Decimal(str(value)), "f")
