"""Bounds a person would write: rounded outward to few digits."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

_LARGEST = Decimal(10) ** 15
_FINEST = -12


def friendly_range(low: float, high: float, *, whole: bool) -> tuple[str, str] | None:
    """Multiples of a power of ten at most a quarter of the width, the lower at most `low`, the upper at least `high`.

    A range that starts between zero and half its own width starts at zero instead. None when the width is zero or
    the bounds need more than 15 digits before the point or 12 after it.
    """
    lowest, highest = Decimal(repr(low)), Decimal(repr(high))
    width = highest - lowest
    if width <= 0:
        return None
    exponent = (width / 4).adjusted()
    if whole:
        exponent = max(exponent, 0)
    if exponent < _FINEST:
        return None
    step = Decimal(1).scaleb(exponent)
    bottom = (lowest / step).to_integral_value(ROUND_FLOOR) * step
    top = (highest / step).to_integral_value(ROUND_CEILING) * step
    if 0 < bottom <= width / 2 and not whole:
        bottom = Decimal(0)
    if max(abs(bottom), abs(top)) >= _LARGEST:
        return None
    return _plain(bottom), _plain(top)


def _plain(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")
