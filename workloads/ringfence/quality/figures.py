"""Figures of a report, which holds no floats: canonical JSON has one spelling for each."""

from __future__ import annotations

from decimal import Decimal


def decimal_text(value: float) -> str:
    """Six significant digits, without an exponent."""
    return format(Decimal(f"{value:.6g}").normalize() + 0, "f")
