"""What values a ledger entry may hold. Each check raises InvalidInput with the field's name and what was found."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from ringfence.errors import InvalidInput, SignatureRejected
from ringfence.privacy.orders import Cost
from ringfence.signing import parse_public

DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SEAL_KEY = re.compile(r"x25519:[A-Za-z0-9_-]{43}")
UNIT = re.compile(r"Record|User(:.{1,200})?|Silo")
OWNER = re.compile(r"(kube:[0-9a-zA-Z-]{1,64}/[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253})|key:ed25519:[A-Za-z0-9_-]{43}")
LONGEST = 500
LARGEST_COST = 10**14
MOST_ROUNDS = 10_000


def decimal(text: str, name: str) -> Decimal:
    """The finite number that `text` writes. Raises InvalidInput."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise InvalidInput(f"{name} {text[:40]!r} is not a decimal number") from error
    if not value.is_finite() or len(text) > 60 or (value and not -40 <= value.adjusted() <= 6):
        raise InvalidInput(f"{name} {text[:40]!r} is not a decimal number from 1e-40 to 1e7")
    return value


def match(pattern: re.Pattern[str], text: str, name: str) -> None:
    """Refuses `text` unless all of it is of `pattern`."""
    if not pattern.fullmatch(text):
        raise InvalidInput(f"{name} {text[:80]!r} is malformed")


def public_key(text: str, name: str) -> None:
    """Refuses anything but `ed25519:<base64url>`."""
    try:
        parse_public(text)
    except SignatureRejected as error:
        raise InvalidInput(f"{name}: {error.message}") from error


def text(text: str, name: str, *, empty: bool = True) -> None:
    """Refuses text of several lines or more than LONGEST characters, and empty text unless `empty`."""
    if len(text) > LONGEST or not text.isprintable() or not (text or empty):
        raise InvalidInput(f"{name} must be 1 to {LONGEST} printable characters on one line")


def within(least: int, value: int, most: int, name: str) -> None:
    """Refuses a number outside [least, most]."""
    if not least <= value <= most:
        raise InvalidInput(f"{name} must lie between {least} and {most}, not {value}")


def check_cost(cost: Cost, name: str, *, least: int = 0) -> None:
    """Refuses a vector without orders, or with an integer outside [least, LARGEST_COST]."""
    if not cost or any(not least <= value <= LARGEST_COST for value in cost):
        raise InvalidInput(f"{name} must hold integers from {least} to {LARGEST_COST} at every order")


def distinct(names: tuple[str, ...], name: str) -> None:
    """Refuses no names, and a name twice."""
    if not names or len(set(names)) != len(names):
        raise InvalidInput(f"{name} must name at least one, and none twice")
