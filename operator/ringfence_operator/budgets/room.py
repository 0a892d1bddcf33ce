"""Whether a reservation has room in a budget now, or could have once the others' are closed. Pure.

The limit is the lower of the ledger's and the resource's: an owner lowers `spec.epsilon` at will, and what is committed
above it stays until it is closed. The ledger checks its own limit again where the entry lands.
"""

from __future__ import annotations

from decimal import Decimal

from ringfence.errors import BudgetExhausted
from ringfence.privacy.filters import admits
from ringfence.privacy.ledger.entries import Limit, Reserve
from ringfence.privacy.ledger.view import LedgerView
from ringfence.privacy.orders import Cost, limits, scale
from ringfence.spec.budget import PrivacyBudget


def lowered(limit: Limit, budget: PrivacyBudget) -> Cost:
    """What the resource allows at each order: the ledger's limits, or those of a lower `spec.epsilon`."""
    epsilon = Decimal(budget.spec.epsilon)
    if epsilon >= Decimal(limit.epsilon):
        return tuple(limit.limits)
    return limits(epsilon, [Decimal(each) for each in limit.deltas], limit.orders)


def has_room(view: LedgerView, budget: PrivacyBudget, body: Reserve) -> bool:
    """Whether the reservation fits now; False when it would once open ones are closed without another charge.

    Raises BudgetExhausted when it would not fit even then: waiting is of no use.
    """
    limit = view.limit
    if limit is None:
        return False
    total, most = scale(body.cost, body.rounds), lowered(limit, budget)
    if not all(admits(view.spent(shard), total, most) for shard in body.shards):
        spent = view.spent_epsilon()
        raise BudgetExhausted(
            f"the job needs epsilon {body.plan.job_epsilon}; {spent} of {_least(limit, budget)} is spent for good",
            where=f"PrivacyBudget {budget.metadata.namespace}/{budget.metadata.name}",
            remedy="ask for a smaller privacy.epsilon, or ask the owner to raise the limit",
        )
    fits = all(admits(view.committed(shard), total, most) for shard in body.shards)
    return _share(view, budget, body, limit) and fits


def _share(view: LedgerView, budget: PrivacyBudget, body: Reserve, limit: Limit) -> bool:
    """The same of the consumer's share, counted as if all its jobs had fallen on the same records."""
    consumer = next((one for one in budget.spec.consumers if one.namespace == body.consumer), None)
    if consumer is None or consumer.max_epsilon is None:
        return True
    share = limits(Decimal(consumer.max_epsilon), [Decimal(each) for each in limit.deltas], limit.orders)
    total, spent = scale(body.cost, body.rounds), view.spent_by(body.consumer)
    if not admits(spent, total, share):
        raise BudgetExhausted(
            f"the job needs epsilon {body.plan.job_epsilon}; namespace {body.consumer} has spent "
            f"{view.reading(spent)} of its share {consumer.max_epsilon}",
            where=f"PrivacyBudget {budget.metadata.namespace}/{budget.metadata.name}",
            remedy="ask for a smaller privacy.epsilon, or ask the owner for a larger share",
        )
    return admits(view.consumer_committed(body.consumer), total, share)


def _least(limit: Limit, budget: PrivacyBudget) -> str:
    return min(limit.epsilon, budget.spec.epsilon, key=Decimal)
