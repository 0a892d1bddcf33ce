"""What a PrivacyBudget's status says of its ledger. Pure."""

from __future__ import annotations

from decimal import Decimal

from ringfence.errors import LedgerError, RingfenceError
from ringfence.privacy.filters import uses_left
from ringfence.privacy.ledger.view import LedgerView, Reservation
from ringfence.privacy.orders import scale
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.status import Condition, JobShare, PrivacyBudgetStatus
from ringfence_operator import reasons
from ringfence_operator.budgets.room import lowered

_MOST_JOBS = 20
_READY = "Ready"


def mirrored(view: LedgerView, budget: PrivacyBudget, url: str, writer: str) -> PrivacyBudgetStatus:
    """The figures; conditions are left to `ready`."""
    if view.limit is None:
        return PrivacyBudgetStatus(ledger=url, writer=writer, ledger_head=_head(view))
    asked = min(Decimal(view.limit.epsilon), Decimal(budget.spec.epsilon))
    spent, committed = view.spent_epsilon(), view.committed_epsilon()
    limit = max(asked, committed)
    return PrivacyBudgetStatus(
        limit=_decimal(limit),
        spent=_decimal(spent),
        reserved=_decimal(committed - spent),
        remaining=_decimal(limit - committed),
        typical_jobs_left=_jobs_left(view, budget),
        shards=len(view.members),
        ledger=url,
        ledger_head=_head(view),
        writer=writer,
        jobs=_jobs(view),
    )


def ready(
    view: LedgerView | None, fault: RingfenceError | None, budget: PrivacyBudget, writer: str
) -> tuple[bool, str, str]:
    """Whether the budget can be spent from: status, reason and words of its one condition."""
    if fault is not None:
        return False, fault.reason, str(fault)
    if view is None or view.limit is None:
        return False, LedgerError.reason, "the ledger has no limit yet; its owner runs `ringfence budget open`"
    if writer not in view.writers and writer != view.owner_key:
        words = f"its owner lets this operator write with `ringfence budget open --writer {writer}`"
        return False, reasons.NOT_A_WRITER, words
    differing = _differing(view, budget)
    if differing:
        return False, reasons.INVALID_MANIFEST, differing
    if Decimal(budget.spec.epsilon) > Decimal(view.limit.epsilon):
        words = f"spec.epsilon {budget.spec.epsilon} is above the ledger's {view.limit.epsilon}, which its owner raises"
        return False, LedgerError.reason, f"{words} with `ringfence budget raise`"
    return True, reasons.LEDGER_OPEN, f"entry {view.head.index} is the newest"


def _differing(view: LedgerView, budget: PrivacyBudget) -> str:
    """What the resource says otherwise than the ledger, which holds it for good; empty when nothing."""
    if view.limit is None:
        return ""
    fixed = (
        ("unit", budget.spec.unit, view.unit.partition(":")[0]),
        ("delta", Decimal(budget.spec.delta), Decimal(view.limit.delta)),
        ("accountant", budget.spec.accountant, view.limit.accountant),
    )
    words = [f"spec.{name} {asked} is not the ledger's, {held}" for name, asked, held in fixed if asked != held]
    return f"{'; '.join(words)}: make a new PrivacyBudget" if words else ""


def condition(
    before: PrivacyBudgetStatus, found: tuple[bool, str, str], generation: int, now: str
) -> tuple[Condition, ...]:
    """The one condition, whose time changes only with its status."""
    status, reason, message = found
    old = next((one for one in before.conditions if one.type == _READY), None)
    value = "True" if status else "False"
    return (
        Condition(
            type=_READY,
            status="True" if status else "False",
            reason=reason,
            message=message[:1024],
            last_transition_time=old.last_transition_time if old and old.status == value else now,
            observed_generation=generation,
        ),
    )


def _jobs(view: LedgerView) -> tuple[JobShare, ...]:
    """The newest jobs, open ones first."""
    newest = sorted(view.every_reservation(), key=lambda one: (one.open, one.index), reverse=True)
    return tuple(_share(one) for one in newest[:_MOST_JOBS])


def _share(one: Reservation) -> JobShare:
    body = one.reserve
    return JobShare(
        namespace=body.consumer[:63],
        name=body.job_name[:63],
        uid=body.job[:63],
        silo=body.silo[:63],
        open=one.open,
        rounds=body.rounds,
        charged=len(one.charged),
    )


def _jobs_left(view: LedgerView, budget: PrivacyBudget) -> int | None:
    """How often the newest plan would still be admitted, on its worst shard."""
    newest = max(view.every_reservation(), key=lambda one: one.index, default=None)
    if newest is None or view.limit is None:
        return None
    total, most = scale(newest.reserve.cost, newest.reserve.plan.rounds), lowered(view.limit, budget)
    known = [shard for shard in newest.reserve.shards if shard in view.members]
    return max(0, min((uses_left(view.committed(shard), total, most) or 0 for shard in known), default=0))


def _head(view: LedgerView) -> str:
    return f"{view.head.index}:{view.head.hash}"


def _decimal(value: Decimal) -> str:
    return f"{max(value, Decimal(0)):.6f}"
