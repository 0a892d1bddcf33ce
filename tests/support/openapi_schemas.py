"""JSON schemas as kubeconform reads them, made from what an API server says of itself (`/openapi/v2`).

Each schema stands alone and is strict: a field that the server does not know is refused, as by the server itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOCATION = "{{ .Group }}_{{ .ResourceAPIVersion }}_{{ .ResourceKind }}.json"
"""Names of the files, in kubeconform's words; it calls the group of the core by its version."""

_PREFIX = "#/definitions/"
_NUMBERS = {  # said to be strings, accepted as numbers too
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}


def write(openapi: dict[str, Any], folder: Path) -> list[str]:
    """A file for each kind that the server has; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    definitions = {name: _NUMBERS.get(name) or _strict(found) for name, found in openapi["definitions"].items()}
    names = []
    for name, found in openapi["definitions"].items():
        for kind in found.get("x-kubernetes-group-version-kind", ()):
            needed = _needed(name, definitions)
            schema = {"$ref": _PREFIX + name, "definitions": {one: definitions[one] for one in sorted(needed)}}
            names.append(f"{kind['group'] or kind['version']}_{kind['version']}_{kind['kind'].lower()}.json")
            (folder / names[-1]).write_text(json.dumps(schema))
    return names


def _strict(node: Any) -> Any:
    """The schema without what is no JSON schema, and with no room for unknown fields."""
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _strict(value) for key, value in node.items() if not key.startswith("x-") and key != "format"}
    if node.get("x-kubernetes-int-or-string"):
        found["type"] = ["string", "integer"]
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        # Within `properties` the keys are names of fields, whatever they look like.
        found["properties"] = {name: _strict(value) for name, value in node["properties"].items()}
        found.setdefault("additionalProperties", False)
    return found


def _needed(name: str, definitions: dict[str, Any]) -> set[str]:
    """The definition and all that it leads to."""
    found: set[str] = set()
    left = [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += _references(definitions[one])
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for one in node for name in _references(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].removeprefix(_PREFIX)] if isinstance(node.get("$ref"), str) else []
    return own + [name for key, one in node.items() if key != "$ref" for name in _references(one)]
