"""Decimals are exact strings of bounded length, and the nearest right spelling keeps the value."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.spec.quantities import FRACTION, POSITIVE, SHARE, as_decimal, as_float, fault, spell


@pytest.mark.parametrize("text", ["2", "0.1", "10", "999999.999999999999", "1e-6", "2.5e-12", "1.125e-3", "0.50"])
def test_right_forms_keep_their_value(text: str) -> None:
    assert re.fullmatch(POSITIVE[1:-1], text)
    assert as_decimal(text) == Decimal(text)
    assert as_float(text) == float(text)


@pytest.mark.parametrize(
    "text", ["", " 2", "2 ", "+2", "-2", "2.", ".5", "02", "1e6", "1e-0", "1e-13", "12e-3", "1_0", "NaN", "0x1", "٢"]
)
def test_other_forms_match_no_pattern(text: str) -> None:
    assert not any(re.fullmatch(pattern[1:-1], text) for pattern in (POSITIVE, FRACTION, SHARE))


@pytest.mark.parametrize(
    ("text", "near"),
    [(".5", "0.5"), ("2.0e0", "2"), ("1e3", "1000"), ("1E-6", "1e-6"), ("0.000001", "1e-6"), ("٢", "2")],
)
def test_the_nearest_right_spelling(text: str, near: str) -> None:
    assert spell(Decimal(text)) == near


def test_no_spelling_where_none_exists() -> None:
    for text in ("NaN", "Infinity", "-1", "1e6", "1e999999999", "1e-999999999", "1.23456e-11"):
        assert spell(Decimal(text)) is None


@settings(deadline=None, max_examples=300)
@given(st.decimals(min_value=0, max_value=999_999, allow_nan=False, places=12))
def test_a_spelling_is_accepted_and_equal(value: Decimal) -> None:
    near = spell(value)
    if near is not None:
        assert Decimal(near) == value
        assert re.fullmatch(POSITIVE[1:-1], near)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30), st.sampled_from([POSITIVE, FRACTION, SHARE]))
def test_every_text_has_a_reason_and_a_suggestion_that_is_accepted(text: str, pattern: str) -> None:
    if re.fullmatch(pattern[1:-1], text):
        return
    reason, near = fault(text, pattern)
    assert reason
    assert near is None or re.fullmatch(pattern[1:-1], near)


def test_a_million_digits_are_refused_without_being_computed() -> None:
    assert fault("9" * 1_000_000, POSITIVE) == ("has too many digits (at most 6 before, 12 after the point)", None)
