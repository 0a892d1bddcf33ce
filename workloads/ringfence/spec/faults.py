"""What is wrong with a manifest, in words: the field's path, the reason, and the nearest right spelling."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ringfence.spec.names import WORDS, nearest
from ringfence.spec.quantities import DECIMALS, fault, spell

_MOST = 8
_SERVER_FIELDS = {"status", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}


def field_path(parts: Iterable[str | int]) -> str:
    """`spec.silos[0].name` for ("spec", "silos", 0, "name")."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{_key(part)}"
    return path.lstrip(".") or "document"


def join(faults: Sequence[str]) -> str:
    """All faults of a document on one line; after the eighth only their number."""
    more = len(faults) - _MOST
    return "; ".join(faults[:_MOST]) + (f"; and {more} more" if more > 0 else "")


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Each fault of a validation as `path: reason`; a field that is missing because it is misspelt is told once."""
    found = error.errors(include_url=False)
    unknown = {
        (entry["loc"][:-1], _near_field(model, entry["loc"])) for entry in found if entry["type"] == "extra_forbidden"
    }
    faults: list[str] = []
    for entry in found:
        location = entry["loc"]
        if _follows_from_another(entry["type"], location, [other["loc"] for other in found]):
            continue
        if entry["type"] == "missing" and (location[:-1], location[-1]) in unknown:
            continue
        if entry["type"] == "contradiction":
            faults += [f"{field_path((*location, field))}: {problem}" for field, problem in entry["ctx"]["faults"]]
        else:
            faults.append(f"{field_path(location)}: {_reason(dict(entry), model)}")
    return faults


def _follows_from_another(
    kind: str, location: tuple[str | int, ...], all_locations: list[tuple[str | int, ...]]
) -> bool:
    """Echoes of a fault that is reported too: a default that needs another field, a list without its bad items."""
    if kind == "too_short":
        return any(other[: len(location)] == location for other in all_locations if len(other) > len(location))
    return kind == "default_factory_not_called"


def suggestion(found: str, known: Sequence[str]) -> str | None:
    """The one of `known` that is spelt most like `found`, or None."""
    folded = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    close = difflib.get_close_matches(found[:80].lower().replace("_", "").replace("-", ""), folded, n=1)
    return folded[close[0]] if close else None


def show(value: Any) -> str:
    """A value as it stands in a message: short, on one line."""
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _reason(entry: dict[str, Any], model: type[BaseModel]) -> str:
    value, context, kind = entry["input"], entry.get("ctx", {}), entry["type"]
    match kind:
        case "extra_forbidden":
            return _unknown_field(model, entry["loc"])
        case "missing":
            return "is required"
        case "literal_error":
            return _not_among(value, context["expected"])
        case "string_type":
            return _not_text(value)
        case "string_pattern_mismatch":
            return f"{show(value)} {_pattern(value, context['pattern'])}"
        case "string_too_long":
            return f"has {len(value)} characters, more than {context['max_length']}"
        case "int_type" | "int_from_float" | "int_parsing" | "int_parsing_size":
            return f"must be a whole number, found {show(value)}"
        case "greater_than_equal":
            return f"{show(value)} is below {context['ge']}"
        case "less_than_equal":
            return f"{show(value)} is above {context['le']}"
        case "too_short":
            return f"has {context['actual_length']} items, fewer than {context['min_length']}"
        case "too_long":
            return f"has more than {context['max_length']} items"
        case "tuple_type" | "list_type":
            return f"must be a list, found {show(value)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a mapping, found {show(value)}"
    return str(entry["msg"])


def _unknown_field(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    near = _near_field(model, location)
    if near:
        return f"unknown field, did you mean {near}?"
    if location[-1] in _SERVER_FIELDS:
        return "is written by the cluster, remove it"
    return "unknown field"


def _near_field(model: type[BaseModel], location: tuple[str | int, ...]) -> str | None:
    owner: type[BaseModel] | None = model
    for part in location[:-1]:
        owner = owner if isinstance(part, int) or owner is None else _part(owner, part)
    known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    return suggestion(str(location[-1]), known)


def _part(owner: type[BaseModel], alias: str) -> type[BaseModel] | None:
    """The model behind a field, looked for inside `X | None` and `tuple[X, ...]`."""
    waiting = [field.annotation for name, field in owner.model_fields.items() if alias in (field.alias, name)]
    while waiting:
        annotation: Any = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        waiting += get_args(annotation)
    return None


def _not_among(value: Any, expected: str) -> str:
    allowed = re.findall(r"'([^']*)'", expected)
    near = suggestion(value, allowed) if isinstance(value, str) and len(allowed) > 1 else None
    return f"must be {' or '.join(allowed)}, found {show(value)}" + (f", did you mean {near}?" if near else "")


def _not_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return f"must be text, found {show(value)}; quote the word if it was meant"
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"must be text, found {show(value)}"
    near = spell(Decimal(repr(value))) if abs(value) < 10**30 else None
    return f"must be a string, found the number {show(value)}" + (f', write "{near}"' if near else "")


def _pattern(text: str, pattern: str) -> str:
    reason, near = (
        fault(text, pattern) if pattern in DECIMALS else (WORDS.get(pattern, "is malformed"), nearest(text, pattern))
    )
    return f'{reason}, write "{near}"' if near else reason


def _key(part: str) -> str:
    return part if re.fullmatch(r"[A-Za-z0-9_./-]{1,60}", part) else show(part)
