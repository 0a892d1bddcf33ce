"""Decimals of the API: strings, because a float in JSON is not what its author wrote.

Two forms: plain (`2`, `0.05`: at most 6 digits before the point and 12 after it) and scientific with a negative
exponent (`1e-6`, `2.5e-7`: one digit before the point, at most 3 after it, exponent -1 to -12). The same patterns stand
in the CRD, so the API server and a laptop refuse the same texts. NaN, infinities, signs and spaces match neither form.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

_SMALL = r"[1-9](\.[0-9]{1,3})?e-([1-9]|1[0-2])"
POSITIVE = rf"^((0|[1-9][0-9]{{0,5}})(\.[0-9]{{1,12}})?|{_SMALL})$"
FRACTION = rf"^(0\.[0-9]{{1,12}}|{_SMALL})$"
SHARE = rf"^(0(\.[0-9]{{1,12}})?|{_SMALL})$"
DECIMALS = (POSITIVE, FRACTION, SHARE)

# A pattern cannot look ahead, so "not zero" is a second one: in both forms a digit 1 to 9 appears before any exponent.
_NOT_ZERO = {"allOf": [{"pattern": "[1-9]"}]}
_LONGEST = 19
_TOO_MANY = "has too many digits (at most 6 before, 12 after the point)"


def _not_zero(text: str) -> str:
    if as_decimal(text) == 0:
        raise PydanticCustomError("decimal_zero", "must be greater than zero")
    return text


PositiveDecimal = Annotated[
    str, Strict(), Field(pattern=POSITIVE, max_length=_LONGEST, json_schema_extra=_NOT_ZERO), AfterValidator(_not_zero)
]
"""A decimal string greater than 0 and below 1,000,000."""

FractionDecimal = Annotated[
    str, Strict(), Field(pattern=FRACTION, max_length=_LONGEST, json_schema_extra=_NOT_ZERO), AfterValidator(_not_zero)
]
"""A decimal string strictly between 0 and 1."""

ShareDecimal = Annotated[str, Strict(), Field(pattern=SHARE, max_length=_LONGEST)]
"""A decimal string of at least 0 and below 1."""


def as_decimal(text: str) -> Decimal:
    """The exact value of a decimal string. Raises decimal.InvalidOperation for a text that is none."""
    return Decimal(text)


def as_float(text: str) -> float:
    """The double nearest to a decimal string: for computing, never for signing or storing."""
    return float(text)


def fault(text: str, pattern: str) -> tuple[str, str | None]:
    """Why `text` does not match `pattern`, and the nearest text that does (None when there is none)."""
    try:
        value = Decimal(text) if len(text) <= 64 else None
    except InvalidOperation:
        return "is not a decimal number", None
    if value is None:
        return _TOO_MANY, None
    if not value.is_finite():
        return "is not a finite number", None
    if value < 0 or (value == 0 and pattern != SHARE):
        return "must be greater than zero" if pattern != SHARE else "must not be negative", None
    if value >= 1 and pattern != POSITIVE:
        return "must be below 1", None
    near = spell(value)
    return ("is not written plainly", near) if near else (_TOO_MANY, None)


def spell(value: Decimal) -> str | None:
    """The shorter of the two forms of a value in [0, 1e6), or None when it has too many digits for both."""
    if value.is_finite() and value == 0:
        return "0"
    if not value.is_finite() or value < 0 or not -12 <= value.adjusted() <= 5 or len(value.as_tuple().digits) > 24:
        return None
    value = value.normalize()
    _, digits, exponent = value.as_tuple()
    if value.adjusted() < -3 and len(digits) <= 4:
        mantissa = ".".join(part for part in (str(digits[0]), "".join(map(str, digits[1:]))) if part)
        return f"{mantissa}e{value.adjusted()}"
    return f"{value:f}" if int(exponent) >= -12 else None
