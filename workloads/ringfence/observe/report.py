"""The report: one self-contained HTML page of a finished job, made from its statement and its rounds.

Inline CSS, inline SVG, no script, nothing fetched: the page also carries a policy that forbids the browser to try. It
follows the reader's light or dark setting, prints, and gives every chart's figures as a table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ringfence import canonical
from ringfence.errors import SignatureRejected
from ringfence.observe import charts, rounds, templates
from ringfence.privacy import statement as statements
from ringfence.privacy.statement import PrivacyFacts, SiloFacts, StatementFacts, figures

_PREFERRED = ("auc", "accuracy", "loss")


@dataclass(frozen=True)
class Gauge:
    """A silo's budget as a bar: per cent of the limit spent before, and by the end; the texts beside it."""

    name: str
    before: str
    after: str
    limit: str
    left: str
    delta: str
    before_width: float
    added_width: float


@dataclass(frozen=True)
class Learning:
    """A metric's name, first and last value, and its curve (None when it was measured once)."""

    name: str
    first: str
    last: str
    curve: charts.Curve | None


def render(
    statement: Mapping[str, Any],
    rounds_: Iterable[Mapping[str, Any]],
    title: str,
    table: Sequence[Mapping[str, str]] | None = None,
) -> str:
    """The page. `statement` is the document or its content; rounds as the coordinator records them.

    Round: {"round": int, "seconds": decimal, "members": [name], "metrics": {name: decimal}, "parts": {part: decimal}}
    with the parts of `charts.PARTS`; metrics and parts may be empty. `table` holds the rows
    of a job that made a table instead of a model: statistic, column, group, value, low, high, note. Raises
    InvalidInput for anything malformed.
    """
    facts, history = statements.facts(statement), rounds.read(rounds_)
    return templates.page(
        "report.html.jinja",
        title=title,
        facts=facts,
        sections=statements.words(statement),
        gauges=[_gauge(silo, cost) for silo, cost in facts.private()],
        learning=_learning(history),
        table=table,
        history=history,
        times=charts.times(history) if history else None,
        seconds=sum(entry.seconds for entry in history),
        tiles=_tiles(facts),
        charts=charts,
        figures=figures,
        signers=_signers(statement),
        digest=canonical.digest(canonical.encode(dict(statement))),
    )


def _gauge(silo: SiloFacts, cost: PrivacyFacts) -> Gauge:
    ledger = cost.ledger
    before, after, limit = (Decimal(text) for text in (ledger.spent_before, ledger.spent_after, ledger.limit_epsilon))
    full = max(limit, after, Decimal("1e-30"))
    return Gauge(
        name=silo.name,
        before=figures.epsilon(ledger.spent_before),
        after=figures.epsilon(ledger.spent_after),
        limit=figures.exact(limit),
        left=figures.left(limit - after),
        delta=ledger.limit_delta,
        before_width=float(round(100 * before / full, 2)),
        added_width=float(round(100 * max(after - before, Decimal(0)) / full, 2)),
    )


def _learning(history: Sequence[rounds.Round]) -> list[Learning]:
    names = sorted(
        {name for entry in history for name in entry.metrics},
        key=lambda name: (_PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED), name),
    )
    curves = []
    for name in names:
        values = [(entry.number, entry.metrics[name]) for entry in history if name in entry.metrics]
        drawn = charts.curve(values) if len(values) > 1 else None
        curves.append(Learning(name, f"{values[0][1]:.4f}", f"{values[-1][1]:.4f}", drawn))
    return curves


def _tiles(facts: StatementFacts) -> list[tuple[str, str, str]]:
    """(label, figure, what it means) of the few figures on top."""
    private = facts.private()
    tiles = [(name.upper(), figures.figure(value), "on a public hold-out") for name, value in facts.metrics.items()][:2]
    if private:
        worst = max((cost for _, cost in private), key=lambda cost: Decimal(cost.job_epsilon))
        meaning = f"at most, for one record of any private silo, at delta {worst.job_delta}"
        tiles.append(("Job's epsilon", figures.epsilon(worst.job_epsilon), meaning))
    else:
        tiles.append(("Privacy guarantee", "none", "public data only, no noise added"))
    records = sum(silo.records for silo in facts.silos)
    tiles.append(
        ("Records", f"{records:,}", f"in {len(facts.silos)} silo{'s' * (len(facts.silos) > 1)}; no row left its owner")
    )
    tiles.append(("Rounds", f"{len(facts.rounds):,}", "entered the model"))
    return tiles


def _signers(statement: Mapping[str, Any]) -> statements.Signers | None:
    try:
        return statements.signers(statement)
    except SignatureRejected:
        return None
