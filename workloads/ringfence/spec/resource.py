"""What both resources share: the group, frozen models in camelCase, and metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from ringfence.spec.names import Name

GROUP = "ringfence.dev"
VERSION = "v1alpha1"
API_VERSION: Literal["ringfence.dev/v1alpha1"] = "ringfence.dev/v1alpha1"
SET: JsonDict = {"x-kubernetes-list-type": "set"}
"""A list without repetitions, in the CRD's words."""

ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
"""A list that is replaced as a whole, in the CRD's words."""

_Label = Annotated[str, Strict(), Field(max_length=4096)]
_Labels = Annotated[dict[_Label, _Label], Field(max_length=64)]


def _camel(name: str) -> str:
    """camelCase, and `class` for `class_`, which Python does not allow as a name."""
    return to_camel(name.rstrip("_"))


class Frozen(BaseModel):
    """A part of a resource: immutable, closed to unknown fields, camelCase in documents and snake_case in Python."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_camel, validate_by_name=True)

    def to_document(self) -> dict[str, Any]:
        """The fields as a JSON document: camelCase, defaults written out, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Metadata(Frozen):
    """Name and namespace, and labels and annotations that Ringfence does not read."""

    name: Name = Field(description="Name of the resource, unique in its namespace: an RFC 1123 label.")
    namespace: Name = Field(default="default", description="Namespace of the resource. Default: default.")
    labels: _Labels = Field(default_factory=dict, description="Labels for people and tools. No part of a digest.")
    annotations: _Labels = Field(default_factory=dict, description="Annotations for tools. No part of a digest.")


def keyed(by: str) -> JsonDict:
    """A list whose entries are told apart by their field `by`, in the CRD's words."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [by]}


def validations(rules: Sequence[dict[str, str]]) -> JsonDict:
    """CEL rules of an object, in the CRD's words."""
    return {"x-kubernetes-validations": [{**rule} for rule in rules]}


def rule(expression: str, message: str, *, field: str = "") -> dict[str, str]:
    """A CEL rule for `x-kubernetes-validations`; `field` is the one that an error names."""
    return {"rule": expression, "message": message} | ({"fieldPath": f".{field}"} if field else {})


def fixed(field: str, *, optional: bool = False, why: str) -> dict[str, str]:
    """A CEL rule, to stand on the object around `field`, that forbids changing, adding or removing it.

    It stands on the object because a rule on the field itself is not run when the field is removed and added again.
    """
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return rule(same, f"cannot be changed: {why}", field=field)


def root_rules() -> list[dict[str, str]]:
    """The CEL rule for a resource's root: its name serves as a label, so it is short and has no dots."""
    return [
        rule(
            "size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",
            "metadata.name must be an RFC 1123 label: at most 63 characters and no dots",
        )
    ]


def contradiction(faults: list[tuple[str, str]]) -> PydanticCustomError:
    """The validation error for fields that contradict each other, as (field, what is wrong with it)."""
    return PydanticCustomError("contradiction", "fields contradict each other", {"faults": faults})


def refuse_repeats(field: str, values: Sequence[str]) -> None:
    """Raise the validation error of a list that names something twice."""
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise contradiction([(field, f"lists {value} twice") for value in repeated])
