"""From a pydantic model to a Kubernetes structural schema.

A structural schema gives a type to every value and knows no references, titles, unions, constants or closed objects:
unknown fields are pruned, and refused by strict field validation, without saying so in the schema.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = ("title", "additionalProperties", "propertyNames", "$defs")
_ORDER = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "allOf",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
)


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model's documents (camelCase, as validated)."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    merged = _map_of_any_key(_without_null(_resolved(schema, definitions), definitions))
    kept = {key: value for key, value in merged.items() if key not in _DROPPED or _is_map(key, value)}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if kept.get("default", ...) is None:
        del kept["default"]
    if isinstance(kept.get("default"), dict):
        kept["default"] = {name: value for name, value in kept["default"].items() if value is not None}
    if "required" in kept:
        kept["required"] = list(kept["required"])  # a model used twice: YAML would write the second as an alias
    if "properties" in kept:
        kept["properties"] = {name: _convert(part, definitions) for name, part in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _convert(kept[key], definitions)
    if kept.get("type") == "integer":
        kept["format"] = "int64"
    first = {key: kept[key] for key in _ORDER if key in kept}
    return first | kept


def _map_of_any_key(schema: Schema) -> Schema:
    """A map whose keys have a pattern: a structural schema types its values only; the operator checks the keys."""
    patterns = schema.get("patternProperties")
    if not patterns:
        return schema
    (values,) = patterns.values()
    kept = {key: value for key, value in schema.items() if key != "patternProperties"}
    return {**kept, "additionalProperties": values}


def _is_map(key: str, value: object) -> bool:
    """additionalProperties with a schema says the type of a map's values; without one it only closes an object."""
    return key == "additionalProperties" and isinstance(value, dict)


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema with its `$ref` replaced by what it names; what stands beside the reference wins."""
    reference = schema.get("$ref")
    if not reference:
        return schema
    target = definitions[reference.rsplit("/", 1)[-1]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_null(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """`X | None` becomes X: an optional field is left out, never null."""
    options = schema.get("anyOf")
    if not options:
        return schema
    (only,) = (option for option in options if option.get("type") != "null")
    return {**_resolved(only, definitions), **{key: value for key, value in schema.items() if key != "anyOf"}}
