"""Whether a planned job may spend: terms, the consumer's share, and the room that a ledger has left. Pure.

All of it is economy and manners: the ledger checks the filter again where a reservation lands in the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ringfence.errors import BudgetExhausted, CodeNotApproved, LedgerError, PlanImpossible, TermsRefused
from ringfence.privacy.filters import admits, uses_left
from ringfence.privacy.orders import Cost, epsilon_of, limits, zero
from ringfence.privacy.planner import Plan

if TYPE_CHECKING:
    from ringfence.privacy.ledger.entries import Limit
    from ringfence.privacy.ledger.view import LedgerView, Reservation
    from ringfence.spec.budget import Consumer, PrivacyBudget
    from ringfence.spec.job import FederatedJob

BUILTIN = "builtin"


@dataclass(frozen=True)
class Headroom:
    """What a ledger has left for one plan, in a job's epsilon (its own vector at its own delta).

    `left_epsilon` is the epsilon that a job of the same shape could still have; `jobs_left` counts such jobs as they
    are; `holders` are the open reservations, oldest first.
    """

    admits: bool
    needs_epsilon: float
    left_epsilon: float
    jobs_left: int
    holders: tuple[str, ...]


def headroom(view: LedgerView, plan: Plan, shards: Sequence[str]) -> Headroom:
    """The room that `plan` finds on every one of `shards`: spent and reserved count alike.

    Raises LedgerError if the ledger has no limit yet, PlanImpossible if the plan's delta exceeds the ledger's.
    """
    limit = _limit(view)
    if Decimal(plan.delta) > Decimal(limit.delta):
        raise PlanImpossible(
            f"privacy.delta {plan.delta} is more than the ledger's delta {limit.delta}",
            where=f"dataset {plan.dataset}",
            remedy=f"set privacy.delta to at most {limit.delta}",
        )
    total, most = plan.total(), tuple(limit.limits)
    used = [view.committed(shard) for shard in shards] or [zero(limit.orders)]
    left = min(uses_left(one, total, most) or 0 for one in used)
    return Headroom(
        admits=all(admits(one, total, most) for one in used),
        needs_epsilon=plan.job_epsilon,
        left_epsilon=min(_left_epsilon(one, plan, limit) for one in used),
        jobs_left=max(0, left),
        holders=tuple(_holder(one) for one in view.open_reservations()),
    )


def require_room(view: LedgerView, plan: Plan, shards: Sequence[str]) -> Headroom:
    """`headroom`, or BudgetExhausted in one line: what it needs, what is left, which dataset, who holds the rest."""
    room = headroom(view, plan, shards)
    if room.admits:
        return room
    held = f"; open reservations: {', '.join(room.holders)}" if room.holders else "; nobody else holds any of it"
    raise BudgetExhausted(
        f"the job needs epsilon {room.needs_epsilon:.4g} and a job like it can still have {room.left_epsilon:.4g} "
        f"of the limit {_limit(view).epsilon}{held}",
        where=f"dataset {plan.dataset}",
        remedy="ask for a smaller privacy.epsilon, or ask the owner to raise the limit",
    )


def check_terms(job: FederatedJob, budget: PrivacyBudget, code: str | None = None) -> None:
    """Refuse what the owner's resource does not allow: purpose, consumer, epsilon of one job, code.

    `code` is the digest of what would really run ("builtin" or "sha256:..."); by default what the job names. Raises
    TermsRefused or CodeNotApproved.
    """
    where = f"budget {budget.metadata.namespace}/{budget.metadata.name}"
    purposes = budget.spec.purposes
    if purposes and job.spec.purpose not in purposes:
        raise TermsRefused(
            f"purpose {job.spec.purpose or '(none)'} is not among {', '.join(purposes)}",
            where=where,
            remedy="set spec.purpose to one of them, or ask the owner",
            clauses=("budget.purposes",),
        )
    consumer = _consumer(budget, job.metadata.namespace, where)
    asked = job.spec.privacy
    per_job = consumer.max_epsilon_per_job
    if asked is not None and per_job is not None and Decimal(asked.epsilon) > Decimal(per_job):
        raise TermsRefused(
            f"privacy.epsilon {asked.epsilon} is more than {per_job}, the most for one job of {consumer.namespace}",
            where=where,
            remedy=f"set privacy.epsilon to at most {per_job}",
            clauses=("budget.maxEpsilonPerJob",),
        )
    code = code or _named_code(job)
    if code not in budget.spec.runtime.allowed_code:
        raise CodeNotApproved(
            f"code {code} is not among the owner's runtime.allowedCode",
            where=where,
            remedy="ask the owner to read the package and add its digest",
        )


def check_consumer(view: LedgerView, budget: PrivacyBudget, namespace: str, plan: Plan) -> None:
    """A consumer's share: a filter of its own, on the ledger's grid, over all that this namespace reserved and spent.

    Counted over the whole dataset, not by shard: a share is a quota, and may be stricter than the guarantee. Raises
    BudgetExhausted.
    """
    consumer = _consumer(budget, namespace, f"budget {budget.metadata.namespace}/{budget.metadata.name}")
    if consumer.max_epsilon is None:
        return
    limit = _limit(view)
    share = limits(Decimal(consumer.max_epsilon), [Decimal(delta) for delta in limit.deltas], limit.orders)
    used = view.consumer_committed(namespace)
    if not admits(used, plan.total(), share):
        raise BudgetExhausted(
            f"the job needs epsilon {plan.job_epsilon:.4g} and namespace {namespace} has spent or reserved "
            f"{view.reading(used):.4g} of its share {consumer.max_epsilon}",
            where=f"dataset {plan.dataset}",
            remedy="ask for a smaller privacy.epsilon, or ask the owner for a larger share",
        )


def _consumer(budget: PrivacyBudget, namespace: str, where: str) -> Consumer:
    for consumer in budget.spec.consumers:
        if consumer.namespace == namespace:
            return consumer
    raise TermsRefused(
        f"namespace {namespace} is not among its consumers",
        where=where,
        remedy=f"ask the owner to add consumer {namespace}",
        clauses=("budget.consumers",),
    )


def _named_code(job: FederatedJob) -> str:
    return BUILTIN if job.spec.task.code is None else job.spec.task.code.rpartition("@")[2]


def _left_epsilon(used: Cost, plan: Plan, limit: Limit) -> float:
    """The epsilon of the plan's own vector, stretched or shrunk to what still fits at the best order."""
    total = plan.total()
    share = max((most - u) / c for u, c, most in zip(used, total, limit.limits, strict=True))
    if share <= 0:
        return 0.0
    fits = tuple(int(c * share) for c in total)
    return epsilon_of(fits, (Decimal(plan.delta),) * len(fits), limit.orders)


def _holder(reservation: Reservation) -> str:
    reserve = reservation.reserve
    return f"{reserve.job_name} of {reserve.consumer} ({reserve.rounds - len(reservation.charged)} rounds uncharged)"


def _limit(view: LedgerView) -> Limit:
    if view.limit is None:
        raise LedgerError(
            "the ledger has no limit yet",
            where=f"dataset {view.dataset}",
            remedy="its owner runs `ringfence budget open`",
        )
    return view.limit
