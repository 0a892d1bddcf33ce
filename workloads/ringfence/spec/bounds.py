"""What every document must be before its fields are looked at: plain JSON of bounded depth, size and numbers."""

from __future__ import annotations

from typing import Any

from ringfence.spec.faults import field_path

DEEPEST = 32
MOST_VALUES = 50_000
_MOST_FAULTS = 20
_LARGEST = 2**53 - 1
_FREE = ("spec", "task", "args")


def not_json(document: dict[Any, Any]) -> list[str]:
    """Faults that no field could have: what is not JSON, not finite, too deep, or empty where a value belongs."""
    faults: list[str] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    seen = 0
    while waiting and len(faults) < _MOST_FAULTS:
        path, value = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            return [f"document: holds more than {MOST_VALUES} values"]
        fault = _fault_of(path, value)
        if fault:
            faults.append(f"{field_path(path)}: {fault}")
        elif isinstance(value, dict):
            waiting += [((*path, str(key)), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in reversed(list(enumerate(value)))]
    return faults


def _fault_of(path: tuple[str | int, ...], value: Any) -> str | None:
    if len(path) > DEEPEST:
        return f"is nested deeper than {DEEPEST} levels"
    match value:
        case None if path[:3] != _FREE:
            return "has no value; give one or leave the field out"
        case None | bool():
            return None
        case str():
            return None if _encodes(value) else "holds characters that are not Unicode text"
        case int():
            return None if abs(value) <= _LARGEST else "is a number beyond 2^53"
        case float():
            return None if abs(value) < float("inf") else "is not a finite number"
        case dict():
            text = all(isinstance(key, str) and _encodes(key) for key in value)
            return None if text else "has a field name that is not text"
        case list():
            return None
    return f"holds a {type(value).__name__}, which is not JSON"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
