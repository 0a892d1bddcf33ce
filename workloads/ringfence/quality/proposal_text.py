"""A proposed schema as a YAML file with remarks for the person who reviews it."""

from __future__ import annotations

import json

from ringfence.schema import Column, DatasetSchema
from ringfence.schema.columns import CLIP, DROP, REFUSE

_HEAD = """\
# Proposed from the rows. Review every line before sealing: what stands here becomes PUBLIC with the manifest
# (names, ranges, categories, treatments; not these remarks), and every silo of a job must declare the same columns.
#   role: feature (a model sees it) | target (what is predicted) | unit (whose record it is) | ignore (never sealed)
#   missing: refuse | drop (leaves the record out) | a constant that stands for an absent value
#   out_of_range: refuse | drop | clip (to the nearer bound) | for a category, the value that stands for all others
#   type: text, with max_length in characters, seals free text; look at what people write in it first
# Bounds are text in quotes. Take them from what the column means, not from what these rows happen to hold.
"""
_NO_TARGET = "# No column is the target yet: give one `role: target`, unless the task learns without a label.\n"


def proposal_text(schema: DatasetSchema) -> str:
    """YAML that `parse_schema` reads back to an equal schema, with remarks above the columns."""
    head = _HEAD if schema.target_column else _HEAD + _NO_TARGET
    return head + "columns:\n" + "".join(_block(column) for column in schema.columns)


def _block(column: Column) -> str:
    fields = column.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    if column.ranged:
        fields["out_of_range"] = column.out_of_range  # said even at its default: this is what is to be reviewed
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    remarks = "".join(f"# {remark}\n" for remark in _remarks(column))
    return remarks + "- " + "\n  ".join(lines) + "\n"


def _remarks(column: Column) -> list[str]:
    if column.role == "ignore":
        what = "constant, a date, free text, or an identifier of people or records"
        return [f"never sealed: {what}; derive a number or a category from it"]
    remarks = []
    if column.role == "target":
        remarks.append(
            "what is predicted" + (f"; class 1 is {column.classes[1]!r}" if len(column.classes) == 2 else "")
        )
    if column.role == "unit":
        remarks.append("whose record it is; never shown to a model")
    if column.ranged:
        remarks.append("is this range what the column can mean? it is public, and values are scaled by it")
    if column.ranged and column.out_of_range == CLIP:
        remarks.append("values beyond it are moved to the nearer bound")
    if column.type == "image":
        remarks.append("[channels, height, width], guessed from the bytes: is it so? they lie channel by channel")
    if column.type == "category":
        remarks.append("are these categories fit to be public? rare ones were left out")
    if column.missing == DROP:
        remarks.append("records without a value are left out")
    elif column.missing != REFUSE:
        remarks.append(f"an absent value becomes {column.missing}")
    return remarks
