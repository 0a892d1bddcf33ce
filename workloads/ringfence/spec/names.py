"""Bounded texts of the API: names, URLs, digests and public keys.

Every text has a pattern that Python's `regex` crate and Go's RE2 read alike and a greatest length, without which the
API server cannot bound the cost of a CEL rule. `WORDS` says in words what each pattern asks for.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, Strict

from ringfence.spec.quantities import DECIMALS

_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_SEGMENT = r"\.?[A-Za-z0-9_=+~-][A-Za-z0-9._=+~,:-]*"
_LOCATION = rf"(s3://[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9](/{_SEGMENT})*|file://(/{_SEGMENT})+)"
_URL = rf"^{_LOCATION}$"
_CODE = rf"^{_LOCATION}@sha256:[0-9a-f]{{64}}$"
_APPROVED = r"^(builtin|sha256:[0-9a-f]{64})$"
_CLASS = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
# 43 characters of base64url hold 258 bits for a key's 256: the last character's two low bits are zero.
_KEY = r"^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"

Name = Annotated[str, Strict(), Field(pattern=_NAME, max_length=63)]
"""An RFC 1123 label."""
Url = Annotated[str, Strict(), Field(pattern=_URL, max_length=512)]
"""Where objects lie: s3://bucket/prefix or file:///folder, without a slash at the end."""
CodeUrl = Annotated[str, Strict(), Field(pattern=_CODE, max_length=600)]
"""A code package and its digest: URL@sha256:<64 hex digits>."""
ApprovedCode = Annotated[str, Strict(), Field(pattern=_APPROVED, max_length=71)]
"""The word builtin, or sha256:<64 hex digits> of a code package."""
ClassPath = Annotated[str, Strict(), Field(pattern=_CLASS, max_length=200)]
"""module:Class."""
PublicKey = Annotated[str, Strict(), Field(pattern=_KEY, max_length=51)]
"""ed25519:<base64url of the 32 bytes>."""

WORDS = {
    _NAME: "is not a name of lower-case letters, digits and '-' (RFC 1123, at most 63)",
    _URL: "is not a URL of the form s3://bucket/prefix or file:///folder",
    _CODE: "is not of the form URL@sha256:<64 hex digits>",
    _APPROVED: "is neither 'builtin' nor sha256:<64 hex digits>",
    _CLASS: "is not of the form module:Class",
    _KEY: "is not a public key of the form ed25519:<43 characters>",
    **dict.fromkeys(DECIMALS, "is not a decimal number"),
}


def nearest(text: str, pattern: str) -> str | None:
    """A text close to `text` that matches `pattern`, or None."""
    if pattern == _NAME:
        guess = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    elif pattern in (_URL, _CODE):
        guess = re.sub(r"(?<!:)(?<!:/)/+", "/", text.strip()).rstrip("/")
    elif pattern == _CLASS:
        guess = ":".join(text.strip().rsplit(".", 1)) if ":" not in text else text.strip()
    else:
        guess = text.strip().lower()
    return guess if guess != text and re.fullmatch(pattern[1:-1], guess) else None
