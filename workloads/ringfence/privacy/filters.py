"""Privacy filters: the one rule that admits spending.

Rule: a cost is admitted when at *some* order of the ledger's grid the sum of everything spent and reserved, with the
new cost, stays within that order's limit. Why it is valid although each job, its noise and its length are chosen after
earlier models were seen:

Renyi. At one fixed order, stopping before the sum of adaptively chosen RDP parameters passes a limit keeps the whole
within that limit (Feldman and Zrnic 2021, "Individual Privacy Accounting via a Renyi Filter", arXiv 2008.11193). With a
grid, which order held is known only in the end. On every run some order's own filter held to the end; were order a's
filter run alone, which stops where its limit would be passed, it would fail with probability at most its own delta_a;
so the whole fails with at most their sum, which `orders.split_delta` keeps within the owner's delta. Grid and split
must be fixed before any output is seen. The step from one order to a grid is our own argument, written out in
docs/accounting.md.

GDP. On the grid ("gdp",) costs are mu**2, and stopping before their sum passes mu_max**2 keeps the whole mu_max-GDP,
again for adaptively chosen mu (Smith and Thakurta 2022, "Fully Adaptive Composition for Gaussian Differential Privacy",
arXiv 2210.17520): nothing is lost against the exact composition of what was admitted, and one order needs no split.

Not a filter: admitting while the composed privacy loss distribution, or trade-off function, of everything so far fits.
Such a total is valid for jobs fixed in advance and fails for adaptive ones (arXiv 2602.06756); so PLD and PRV report
and never admit. GDP's central limit is an approximation from below and appears nowhere.

Only integers are compared: no NaN, no tolerance, no rounding.
"""

from __future__ import annotations

from ringfence.privacy.orders import Cost, add, check_cost


def admits(spent: Cost, cost: Cost, limit: Cost) -> bool:
    """True when some order's `spent + cost` is within its `limit`. Raises InvalidInput for unequal grids or bad values.

    An order with limit 0 (its conversion alone exceeds epsilon) admits nothing but a cost of 0.
    """
    check_cost(limit, len(spent))
    return any(total <= most for total, most in zip(add(spent, cost), limit, strict=True))


def uses_left(spent: Cost, cost: Cost, limit: Cost) -> int | None:
    """The largest n for which `admits(spent, n * cost, limit)`; -1 if not even 0; None if there is no bound.

    n uses cost exactly n times one, so this is the best of the orders' integer quotients.
    """
    check_cost(limit, len(spent))
    check_cost(cost, len(spent))
    check_cost(spent, len(spent))
    best = -1
    for used, each, most in zip(spent, cost, limit, strict=True):
        if used > most:
            continue
        if each == 0:
            return None
        best = max(best, (most - used) // each)
    return best
