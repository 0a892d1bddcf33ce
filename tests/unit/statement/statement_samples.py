"""Facts of an invented job, as small as a test needs them and with every field filled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import signing
from ringfence.privacy.statement import (
    CostFacts,
    JobFacts,
    LedgerFacts,
    PrivacyFacts,
    RoundFacts,
    SiloFacts,
    StatementFacts,
    build,
    endorse,
    sign,
)

COORDINATOR = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
ENDORSER = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
OWNER = signing.public_name(Ed25519PrivateKey.from_private_bytes(b"o" * 32))


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def ledger(**changes: Any) -> LedgerFacts:
    facts = LedgerFacts(
        spent_before="0",
        spent_after="2.304112",
        accountant="rdp",
        limit_epsilon="8",
        limit_delta="0.000001",
        highest_epsilon="8",
        head_index=27,
        head_hash=digest("b"),
    )
    return replace(facts, **changes)


def privacy(**changes: Any) -> PrivacyFacts:
    facts = PrivacyFacts(
        approved_by="PrivacyBudget mercy/patients",
        mechanism="poisson-gaussian",
        sampling_rate="64/9100",
        noise_multiplier="0.913412",
        max_grad_norm="1",
        steps_per_round=142,
        rounds_planned=20,
        rounds_charged=20,
        cost=CostFacts(orders=("2", "8", "32"), round=(1200, 5100, 40100), total=(24000, 102000, 802000)),
        job_epsilon="1.9876543",
        job_delta="0.000001",
        pld_epsilon="1.8012",
        ledger=ledger(),
    )
    return replace(facts, **changes)


def silo(name: str, **changes: Any) -> SiloFacts:
    facts = SiloFacts(
        name=name,
        dataset=f"ds-{name}",
        url=f"s3://{name}/readmissions",
        manifest_version=1,
        manifest_digest=digest("a"),
        owner=OWNER,
        records=9100,
        privacy=privacy(),
    )
    return replace(facts, **changes)


def sample(**changes: Any) -> StatementFacts:
    facts = StatementFacts(
        job=JobFacts(
            uid="0d8f8f1e-2c7e-4f05-9d53-3f2c4a1c7b10",
            name="readmission",
            namespace="research",
            spec_digest=digest("d"),
            task="ringfence.tasks:TabularClassifier",
            code="builtin",
            image="",
        ),
        silos=(silo("mercy"), silo("stjude", records=4200), silo("openclinic", privacy=None)),
        rounds=tuple(
            RoundFacts(round=n, members=("mercy", "stjude", "openclinic"), model=digest("e")) for n in range(1, 21)
        ),
        model=digest("e"),
        metrics={"auc": "0.724518"},
        created="2026-03-01T12:30:00Z",
    )
    return replace(facts, **changes)


def public_only() -> StatementFacts:
    return sample(
        silos=(silo("mercy", privacy=None),),
        rounds=(RoundFacts(round=1, members=("mercy",), model=digest("e")),),
    )


def signed(facts: StatementFacts | None = None) -> dict[str, Any]:
    return endorse(sign(build(facts or sample()), COORDINATOR), ENDORSER)


def rounds(count: int = 20, *, parts: bool = True) -> list[dict[str, Any]]:
    """Rounds as the coordinator reports them."""
    times = {"publish": "0.02", "wait": "1.61", "aggregate": "0.04", "checkpoint": "0.03", "evaluate": "0.21"}
    return [
        {
            "round": number,
            "seconds": "1.95",
            "members": ["mercy", "stjude", "openclinic"],
            "metrics": {"auc": f"{0.74 - 0.2 / (number + 1):.6f}"} if number % 2 == 0 or number == 1 else {},
            "parts": dict(times) if parts else {},
        }
        for number in range(1, count + 1)
    ]
