"""The few figures that the plain words need, in decimal arithmetic, always rounded to the unfavourable side."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

_LARGE = Decimal(20)  # beyond e^20 a factor says nothing any more, so it is not spelt out


def exact(value: Decimal) -> str:
    """A decimal as text without exponent, unless that would need more than eight zeros in front."""
    if value and value.adjusted() < -8:
        return f"{value.normalize():e}"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def epsilon(value: str) -> str:
    """An epsilon to three decimals, rounded up: what is shown is never less than what was spent."""
    number = Decimal(value)
    if 0 < number < Decimal("0.001"):
        return "less than 0.001"
    return exact(_rounded(number, 3))


def left(value: Decimal) -> str:
    """What is left of a limit, to three decimals, rounded down; never below 0."""
    return exact(max(Decimal(0), value.quantize(Decimal("0.001"), rounding=ROUND_FLOOR)))


def figure(value: str) -> str:
    """A metric to four decimals, rounded to the nearest."""
    return f"{Decimal(value).quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"


def factor(value: Decimal) -> str:
    """e^epsilon: how many times likelier one record can make any outcome (up to delta)."""
    if value > _LARGE:
        return "more than 400 million"
    return f"{_rounded(value.exp(), 2):,f}"


def guess(value: Decimal, delta: Decimal) -> str:
    """The best chance, in per cent, of telling from a 50:50 start whether a record was there.

    (e^epsilon + delta) / (e^epsilon + 1): half of one plus the largest total variation distance that (epsilon, delta)
    allows (Kairouz, Oh and Viswanath 2015, theorem 2.1, at equal priors).
    """
    if value > _LARGE:
        return "100"
    odds = value.exp()
    return exact(min(Decimal(100), _rounded(100 * (odds + delta) / (odds + 1), 1)))


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING)
