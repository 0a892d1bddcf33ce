"""How many of a few typical jobs a ledger has room for: a figure that says more than an epsilon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ringfence.errors import PlanImpossible
from ringfence.privacy.filters import uses_left
from ringfence.privacy.orders import Cost, accountant, scale, zero
from ringfence.privacy.planner import solve_noise
from ringfence.privacy.shape import Shape

_SHARES = (Decimal("0.1"), Decimal("0.25"), Decimal("0.5"), Decimal("1"))


@dataclass(frozen=True)
class Typical:
    """`admitted` jobs of that epsilon and shape fit, one kind alone."""

    epsilon: str
    shape: str
    admitted: int


def typical_jobs(
    unit: str, units: int, limit: tuple[str, str], grid: tuple[Sequence[str], Cost], used: Cost | None = None
) -> tuple[Typical, ...]:
    """Jobs of a tenth, a quarter, a half and all of the limit's epsilon, at its delta.

    `limit` is (epsilon, delta), `grid` the ledger's orders and its limit at each, `used` what is spent and reserved
    already (default: nothing), `units` the records, users or silos (1) of the dataset.
    """
    orders, most = tuple(grid[0]), grid[1]
    spent = zero(orders) if used is None else used
    words, shape, rounds = _shape(unit.partition(":")[0], units, accountant(orders) == "gdp")
    found = []
    for share in _SHARES:
        epsilon = f"{(Decimal(limit[0]) * share).normalize():f}"
        try:
            _, cost = solve_noise(shape, rounds, epsilon, limit[1], orders)
            left = max(0, uses_left(spent, scale(cost, rounds), most) or 0)
        except PlanImpossible:
            left = 0
        found.append(Typical(epsilon, words, left))
    return tuple(found)


def _shape(unit: str, units: int, everybody: bool) -> tuple[str, Shape, int]:
    """The shape in words, a round of it, and the rounds; a gdp ledger takes only jobs in which everybody takes part."""
    one = Fraction(1)
    if unit == "Silo":
        return "50 rounds", Shape(unit, one, 1), 50
    if everybody:
        noun = "users" if unit == "User" else "rows"
        return f"50 steps over all {noun}", Shape(unit, one, 1), 50
    drawn = max(1, units // 100)
    if unit == "User":
        return f"200 rounds of {drawn:,} users", Shape(unit, Fraction(drawn, units), 1), 200
    return f"10 passes in batches of {drawn:,}", Shape(unit, Fraction(drawn, units), round(units / drawn)), 10
