"""What the coordinator reports, as far as it is believed: figures for people, never a decision."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from ringfence.observe.tally import COORDINATOR, LASTING, known
from ringfence.privacy.orders import epsilon_of, scale
from ringfence_operator.reconcile.turn import Turn
from ringfence_operator.seen import Accepted

_LONGEST_URL = 1024


def read(turn: Turn) -> None:
    """Round, time left, scores and checkpoint from the coordinator's ConfigMap; what is malformed is passed over."""
    found = turn.seen.children.of("", turn.status.run or 0).anchors
    report = _document(found[0].progress) if found else {}
    round_ = report.get("round")
    if isinstance(round_, int) and (turn.status.round or 0) <= round_ <= turn.job.spec.rounds:
        turn.update(round=round_, epsilon=_epsilon(turn, round_) or turn.status.epsilon)
    turn.update(
        eta=_eta(report) or turn.status.eta,
        metrics=_metrics(report.get("metrics")) or turn.status.metrics,
        totals=known(report.get("totals"), COORDINATOR & LASTING) or turn.status.totals,
        last_checkpoint=_url(turn, report.get("checkpoint")) or turn.status.last_checkpoint,
        model=_url(turn, report.get("model")) or turn.status.model,
        statement=_url(turn, report.get("statement")) or turn.status.statement,
    )


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _epsilon(turn: Turn, rounds: int) -> str | None:
    """The job's epsilon of so many rounds, the largest of its silos: each its own vector at the job's delta."""
    answer, asked = turn.seen.findings.acceptance, turn.job.spec.privacy
    if asked is None or not isinstance(answer, Accepted):
        return None
    delta, largest = Decimal(asked.delta), 0.0
    for pin in answer.silos.values():
        if pin.orders and rounds:
            cost = scale(pin.cost, rounds)
            largest = max(largest, epsilon_of(cost, (delta,) * len(cost), pin.orders))
    return f"{largest:.6f}"


def _eta(report: dict[str, Any]) -> str | None:
    left, beat = report.get("etaSeconds"), report.get("heartbeat")
    if not isinstance(left, int) or isinstance(left, bool) or not 0 <= left < 10**8:
        return None
    try:
        end = datetime.fromisoformat(str(beat)).astimezone(UTC) + timedelta(seconds=left)
    except (ValueError, OverflowError):
        return None
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _metrics(scores: object) -> dict[str, str] | None:
    if not isinstance(scores, dict):
        return None
    found = {}
    for name, value in list(scores.items())[:16]:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            continue
        if isinstance(name, str) and len(name) <= 40 and number.is_finite():
            found[name] = f"{number:.6f}"[:32]
    return found or None


def _url(turn: Turn, url: object) -> str | None:
    """A URL below the job's own output; nothing else is shown."""
    prefix = f"{turn.job.spec.output}/{turn.seen.job.uid}/"
    return url if isinstance(url, str) and url.startswith(prefix) and len(url) <= _LONGEST_URL else None
