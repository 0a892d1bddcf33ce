"""What a person has who is in several silos of one job: guarantees that compose.

Unit Record or User: every silo draws its own noise, so k silos are k mechanisms on that person, round by round, and the
planned costs add up. Three bounds hold for any k of the silos, and the least counts:

- the sums of the k largest job epsilons and deltas (basic composition);
- Renyi: at each order the sum of the k largest planned costs, read at that sum of deltas. A gdp cost of mu**2 counts as
  a * mu**2 / 2 at order a (Dong, Roth and Su 2019, arXiv 1905.02383); grids that differ meet in their common orders;
- if all are gdp: the sum of mu**2, exactly.

Unit Silo: the coordinator adds noise once for all silos, so a person in k of them moves one sum k times: that is no
composition but a k times larger distance. Of the mu of each silo, sqrt(releases) / noise multiplier, the k largest are
added, and the whole is that mu-GDP at the largest job delta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from fractions import Fraction
from typing import TypeVar

from ringfence.privacy import gdp
from ringfence.privacy.orders import GDP_ORDERS, MICRO, Cost, accountant, exact_epsilon
from ringfence.privacy.statement.facts import PrivacyFacts

Amount = TypeVar("Amount", int, Decimal)

_WIDE = Context(prec=120)  # the longest decimals that facts allow, fifty times over, still add up exactly


@dataclass(frozen=True)
class Composed:
    """A person in any `silos` of the private silos has (`epsilon`, `delta`) against all that the job released."""

    silos: int
    epsilon: Decimal
    delta: Decimal


def composed(costs: Sequence[PrivacyFacts], unit: str) -> tuple[Composed, ...]:
    """For a person in 2, 3, ... all of the private silos, by `unit`; the same digits wherever it is computed."""
    bound = _shared_noise if unit == "Silo" else _own_noise
    return tuple(bound(costs, count) for count in range(2, len(costs) + 1))


def _own_noise(costs: Sequence[PrivacyFacts], count: int) -> Composed:
    delta = _sum(_largest([Decimal(cost.job_delta) for cost in costs], count))
    bounds = [_sum(_largest([Decimal(cost.job_epsilon) for cost in costs], count))]
    if delta < 1:
        bounds += [exact_epsilon(total, (delta,) * len(orders), orders) for orders, total in _added(costs, count)]
    return Composed(count, min(bounds), delta)


def _shared_noise(costs: Sequence[PrivacyFacts], count: int) -> Composed:
    delta = max(Decimal(cost.job_delta) for cost in costs)
    with localcontext(_WIDE):
        mu = sum(_largest([_mu(cost) for cost in costs], count), Decimal(0))
        return Composed(count, gdp.least_epsilon(mu * mu, delta, MICRO), delta)


def _mu(cost: PrivacyFacts) -> Decimal:
    releases = Decimal(cost.steps_per_round * cost.rounds_planned)
    return (releases.sqrt() / Decimal(cost.noise_multiplier)).quantize(Decimal("1e-40"), ROUND_CEILING)


def _added(costs: Sequence[PrivacyFacts], count: int) -> list[tuple[tuple[str, ...], Cost]]:
    """The grids on which all costs can be told, each with the sum of the `count` largest at each of its orders."""
    exact = all(cost.cost.orders == GDP_ORDERS for cost in costs)
    renyi = [cost.cost.orders for cost in costs if accountant(cost.cost.orders) == "rdp"]
    common = tuple(order for order in (renyi[0] if renyi else ()) if all(order in orders for orders in renyi))
    grids = ([GDP_ORDERS] if exact else []) + ([common] if common else [])
    return [
        (grid, tuple(sum(_largest([_at(cost, order) for cost in costs], count)) for order in grid)) for grid in grids
    ]


def _at(cost: PrivacyFacts, order: str) -> int:
    """Micro-units of all planned rounds at one order, or of mu**2."""
    orders, planned = cost.cost.orders, cost.rounds_planned
    if order in orders:
        return cost.cost.round[orders.index(order)] * planned
    return -(-Fraction(order) * cost.cost.round[0] * planned // 2)


def _largest(amounts: Sequence[Amount], count: int) -> list[Amount]:
    return sorted(amounts, reverse=True)[:count]


def _sum(amounts: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = _WIDE.add(total, amount)
    return total
