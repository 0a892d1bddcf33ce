"""The schema as a YAML document that a person writes and reviews.

Every scalar is read as text: YAML would turn `no` into false, `1e3` into text and `0.1` into a binary fraction, and a
declared category or bound means what was written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from ringfence.errors import InvalidSchema
from ringfence.schema.columns import Column, ColumnType, Role
from ringfence.schema.dataset import DatasetSchema
from ringfence.schema.spelling import hint, nearest

_LARGEST_FILE = 4 * 2**20


class _TextLoader(yaml.BaseLoader):
    """Every scalar is text; a key given twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_schema(path: Path) -> DatasetSchema:
    """The schema in a YAML file. Raises InvalidSchema with file, column, reason and the nearest right spelling."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidSchema("larger than 4 MiB, which is no schema", where=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSchema(f"cannot be read ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidSchema("is not UTF-8 text", where=str(path)) from error
    return parse_schema(text, str(path))


def parse_schema(text: str, where: str) -> DatasetSchema:
    """The schema in YAML text. Raises InvalidSchema; all faults stand on one line."""
    try:
        document = yaml.load(text, Loader=_TextLoader)  # noqa: S506 - a BaseLoader builds only text, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidSchema(f"is not YAML: {_yaml_fault(error)}", where=where) from error
    if not isinstance(document, dict):
        raise InvalidSchema("a schema is a mapping with `columns`", where=where)
    try:
        return DatasetSchema.model_validate(document)
    except ValidationError as error:
        faults = list(dict.fromkeys(_fault(item, document) for item in error.errors()))
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise InvalidSchema("; ".join(faults[:5]) + more, where=where) from error


def dump_schema(schema: DatasetSchema) -> str:
    """YAML text that `parse_schema` reads back to an equal schema; fields at their defaults are left out."""
    document = schema.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _yaml_fault(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return type(error).__name__ if isinstance(error, RecursionError) else str(error)[:200]


def _fault(item: Any, document: dict[str, Any]) -> str:
    """One fault of pydantic's in a person's words: place, reason, nearest right spelling."""
    location = item["loc"]
    place, leaf = _place(location, document), str(location[-1]) if location else ""
    kind, given = item["type"], str(item["input"])[:60]
    if kind == "extra_forbidden":
        known = DatasetSchema.model_fields if len(location) == 1 else Column.model_fields
        return f"{place}: unknown field; {hint(leaf, known)}"
    if kind == "literal_error":
        known_values = get_args(Role if leaf == "role" else ColumnType)
        close = nearest(given, known_values)
        advice = f"; did you mean {close!r}?" if close else ""
        return f"{place}: {given!r} is not one of {', '.join(known_values)}{advice}"
    if kind == "missing":
        return f"{place}: is required"
    return (
        f"{place}: {item['msg'].removeprefix('Value error, ')}" if place else item["msg"].removeprefix("Value error, ")
    )


def _place(location: tuple[int | str, ...], document: dict[str, Any]) -> str:
    """`column 'age' (columns[2]).type`: by name where the document gives one."""
    if len(location) < 2 or location[0] != "columns" or not isinstance(location[1], int):
        return ".".join(str(part) for part in location)
    column = document["columns"][location[1]]
    name = column.get("name") if isinstance(column, dict) else None
    label = f"column {name!r}" if isinstance(name, str) and name else f"columns[{location[1]}]"
    rest = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[2:]]
    return label + "".join(rest)
