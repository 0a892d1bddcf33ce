"""What an unquoted YAML scalar means to kubectl (YAML 1.1 as Go reads it), which differs from Python's own reader.

To kubectl `1e-6` is a number and `yes` and `y` are true; dates are text, and so is `1:30`.
"""

from __future__ import annotations

import re
from typing import Any

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {word for base in ("true", "yes", "on", "y") for word in (base, base.capitalize(), base.upper())}
_FALSE = {word for base in ("false", "no", "off", "n") for word in (base, base.capitalize(), base.upper())}
_INTEGER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0b[01_]+|0o?[0-7_]+|[0-9][0-9_]*)")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = {".nan", ".NaN", ".NAN"}


def is_number(text: str) -> bool:
    """Whether the scalar has the form of an integer or a float."""
    return bool(_INTEGER.fullmatch(text) or _NUMBER.fullmatch(text))


def plain_scalar(text: str) -> Any:
    """What an unquoted scalar means: null, a boolean, an integer, a float, or else its own text."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _NUMBER.fullmatch(text):
        return float(text.replace("_", ""))
    if _INFINITE.fullmatch(text) or text in _NOT_A_NUMBER:
        return float(text.lower().replace(".", ""))
    return text


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "")
    sign, body = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    try:
        octal = len(body) > 1 and body[0] == "0" and body[1] in "01234567"
        return sign * (int(body, 8) if octal else int(body, 0))
    except ValueError:  # 089: no octal number, and to kubectl a float
        return float(digits) if _NUMBER.fullmatch(digits) else text
