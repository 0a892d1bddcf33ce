"""Which keys are allowed: plain relative paths, the same on a folder and on S3.

Characters that some store would encode, or that leave the root, are refused rather than translated, so that one key
is one object everywhere.
"""

from __future__ import annotations

import re

from ringfence.errors import InvalidInput

TEMPORARY = ".tmp-"
"""Start of the names of half-written files on a folder; no key may have a part that starts so."""

_PART = re.compile(r"[A-Za-z0-9._:=@+~-]+")
_LONGEST_KEY = 900  # bytes; S3 allows 1024 for prefix and key together
_LONGEST_PART = 255  # bytes; the longest file name on common file systems


def check_key(key: str, *, where: str) -> str:
    """`key` itself, if it names an object below the root; `where` is the root's URL. Raises InvalidInput."""
    fault = _fault(key)
    if fault:
        raise InvalidInput(f"object key {key[:100]!r} {fault}", where=where)
    return key


def check_prefix(prefix: str, *, where: str) -> str:
    """`prefix` without a slash at its end; "" is the root. Raises InvalidInput."""
    return check_key(prefix.removesuffix("/"), where=where) if prefix else ""


def is_part(name: str) -> bool:
    """Whether `name` may be one part of a key; other names on a folder (half-written files) are no objects."""
    return _part_fault(name) is None


def _fault(key: str) -> str | None:
    if len(key) > _LONGEST_KEY:
        return f"is longer than {_LONGEST_KEY} characters"
    if key.startswith("/"):
        return "is absolute"
    return next(filter(None, map(_part_fault, key.split("/"))), None)


def _part_fault(part: str) -> str | None:
    if not part:
        return "has an empty part"
    if part in (".", ".."):
        return f"has the part {part!r}"
    if part.startswith(TEMPORARY):
        return f"has a part that starts with {TEMPORARY!r}, which is kept for half-written files"
    if len(part) > _LONGEST_PART:
        return f"has a part longer than {_LONGEST_PART} characters"
    if not _PART.fullmatch(part):
        return "has a character other than letters, digits and . _ : = @ + ~ -"
    return None
