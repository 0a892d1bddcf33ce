"""Columns that look like direct identifiers: by their name, or by what most of their values look like.

A hint for the person who reviews a schema, never a proof of absence: a name in free text is not found. Numbers with
check digits are checked, so that a column of long integers is not taken for card numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

_LOOKED_AT = 2_000  # values of a column
_MOST_OF_THEM = 0.5
_FEWEST = 3
_NAMES = {
    "e-mail addresses": {"email", "mail"},
    "telephone numbers": {"phone", "telephone", "mobile", "fax"},
    "names of people": {"surname", "lastname", "firstname", "forename", "fullname"},
    "addresses": {"street", "address", "postcode", "zipcode", "zip"},
    "dates of birth": {"dob", "birthdate", "birthday", "dateofbirth"},
    "national identity numbers": {"ssn", "nino", "nhsnumber", "passport", "taxid"},
}


def personal_columns(table: pa.Table) -> dict[str, str]:
    """What each suspicious column looks like, such as {"contact": "e-mail addresses"}; other columns are left out."""
    found = {name: _by_name(name) or _by_value(table.column(place)) for place, name in enumerate(table.column_names)}
    return {name: kind for name, kind in found.items() if kind}


def _by_name(name: str) -> str:
    words = [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()) if word]
    runs = {"".join(words[start:end]) for end in range(len(words) + 1) for start in range(end)}
    return next((kind for kind, known in _NAMES.items() if known & runs), "")


def _by_value(values: Any) -> str:
    kind = values.type
    if not (kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_integer(kind)):
        return ""
    texts = [text.strip() for text in pc.drop_null(values.slice(0, _LOOKED_AT)).cast(pa.string()).to_pylist()]
    enough = max(_FEWEST, _MOST_OF_THEM * len(texts))
    return next((name for name, test in _TESTS.items() if sum(map(test, texts)) >= enough), "")


def luhn(text: str) -> bool:
    """Whether 13 to 19 digits pass the check of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in re.sub(r"[ -]", "", text) if digit.isascii() and digit.isdigit()]
    if not re.fullmatch(r"[0-9][0-9 -]{11,22}[0-9]", text) or not 13 <= len(digits) <= 19:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """Whether the text is an account number whose check digits hold (ISO 13616, remainder 1 modulo 97)."""
    plain = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def nhs_number(text: str) -> bool:
    """Whether ten digits pass the check of NHS numbers (modulo 11)."""
    if not re.fullmatch(r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", text):
        return False
    digits = [int(digit) for digit in re.sub(r"[ -]", "", text)]
    check = 11 - sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=False)) % 11
    return check % 11 == digits[9]


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_TESTS: dict[str, Callable[[str], bool]] = {
    "e-mail addresses": _matches(r"[^@\s]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"),
    "account numbers (IBAN)": iban,
    "payment card numbers": luhn,
    "NHS numbers": nhs_number,
    "social security numbers": _matches(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}"),
    "telephone numbers": _matches(r"\+[0-9][0-9 ()-]{6,18}[0-9]"),
    "network addresses": _matches(r"((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"),
}
