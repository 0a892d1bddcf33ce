"""One column of a declared schema.

No field holds a float: a bound is a decimal string, normalised when it is read, so that equal bounds have equal bytes.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

ColumnType = Literal["number", "integer", "category", "boolean", "image", "text", "identifier"]
Role = Literal["feature", "target", "unit", "ignore"]

REFUSE = "refuse"  # a record that breaks the rule: nothing is sealed
DROP = "drop"  # the record is left out, and counted
CLIP = "clip"  # a number outside its range is moved to the nearer bound, a text that is too long is cut

_LARGEST = Decimal(10) ** 15  # integers below it are exact in a double
_DECIMALS = 12
_LARGEST_IMAGE = 2**24  # bytes
_LONGEST_TEXT = 2**20  # characters


def _plain_decimal(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f'{text[:40]!r} is not a decimal number such as "0" or "12.5"') from None
    if not value.is_finite() or abs(value) >= _LARGEST:
        raise ValueError(f"{text[:40]} is not finite or not below 1e15 in size")
    plain = format(value.normalize() + 0, "f")
    if len(plain.partition(".")[2]) > _DECIMALS:
        raise ValueError(f"{text[:40]} has more than {_DECIMALS} digits after the point")
    return plain


def _printable(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError(f"{text[:40]!r} has space at its ends or characters that cannot be printed")
    return text


DecimalText = Annotated[str, Field(max_length=40), AfterValidator(_plain_decimal)]
Side = Annotated[int, Field(ge=1, le=8192)]
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]


class Column(BaseModel):
    """What the owner declares about one column; all of it becomes public.

    `type`: `number` and `integer` (with `minimum` and `maximum`), `category` (with `values`, read as text), `boolean`,
    `image` (with `shape`: channels, height, width; one byte a number, channel by channel and row by row), `text`
    (UTF-8, with `max_length` in characters), or `identifier` (any text; only for the unit column, never seen by a
    model). Not needed when the role is `ignore`.
    `role`: `feature`, `target`, `unit` (whose rows belong to one person), or `ignore` (never sealed).
    `missing`: `refuse` (default), `drop` the record, or a constant that stands for a missing value.
    `out_of_range`: `refuse` (default), `drop`, `clip` (numbers, texts), or for a category the declared value that
    stands for every undeclared one. `unit` is the physical unit, for people and for comparing silos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    type: ColumnType | None = None
    role: Role = "feature"
    minimum: DecimalText | None = None
    maximum: DecimalText | None = None
    values: Annotated[tuple[Name, ...], Field(max_length=4096)] = ()
    shape: tuple[Side, Side, Side] | None = None
    max_length: Annotated[int, Field(ge=1, le=_LONGEST_TEXT)] | None = None
    missing: Annotated[str, Field(min_length=1, max_length=128)] = REFUSE
    out_of_range: Annotated[str, Field(min_length=1, max_length=128)] = REFUSE
    unit: Annotated[str, Field(max_length=64)] | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None

    @property
    def kept(self) -> bool:
        """Whether the column is sealed at all."""
        return self.role != "ignore"

    @property
    def ranged(self) -> bool:
        """Whether the column holds numbers within declared bounds."""
        return self.type in ("number", "integer")

    @property
    def numeric(self) -> bool:
        """Whether a value is one number."""
        return self.ranged or self.type == "boolean"

    @property
    def size(self) -> int:
        """Bytes of an image. Only for `image`."""
        return math.prod(self.shape or ())

    @property
    def bounds(self) -> tuple[float, float]:
        """Declared minimum and maximum as doubles. Only for `number` and `integer`."""
        return float(self.minimum or 0), float(self.maximum or 0)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of a target's classes in the order of its codes 0, 1, ...; empty when it has none."""
        if self.type == "boolean":
            return ("false", "true")
        if self.type == "integer" and (self.minimum, self.maximum) == ("0", "1"):
            return ("0", "1")
        return self.values

    @model_validator(mode="after")
    def _whole(self) -> Column:
        if self.type is None:
            if self.role != "ignore":
                raise ValueError("type is required unless the role is ignore")
            return self
        self._check_role()
        self._check_domain()
        self._check_treatment()
        return self

    def _check_role(self) -> None:
        if self.role == "unit" and self.type != "identifier":
            raise ValueError(f"a unit column has type identifier, not {self.type}")
        if self.type == "identifier" and self.role in ("feature", "target"):
            raise ValueError(f"an identifier cannot be a {self.role}: give it the role unit or ignore")
        if self.type in ("image", "text") and self.role == "target":
            raise ValueError(f"a column of type {self.type} cannot be the target: a target is a number or a class")

    def _check_domain(self) -> None:
        if self.ranged:
            if self.minimum is None or self.maximum is None:
                raise ValueError(f"a {self.type} column needs minimum and maximum")
            if Decimal(self.minimum) >= Decimal(self.maximum):
                raise ValueError(f"minimum {self.minimum} is not below maximum {self.maximum}")
            if self.type == "integer" and ("." in self.minimum or "." in self.maximum):
                raise ValueError("the bounds of an integer column are whole numbers")
        elif self.minimum is not None or self.maximum is not None:
            raise ValueError(f"minimum and maximum belong to numbers, not to a {self.type} column")
        if (self.type == "category") != bool(self.values):
            raise ValueError("a category column needs values, and no other type has them")
        if len(set(self.values)) != len(self.values):
            raise ValueError("values are repeated")
        if (self.type == "image") != (self.shape is not None):
            raise ValueError("an image column needs shape: [channels, height, width], and no other type has one")
        if self.size > _LARGEST_IMAGE and self.type == "image":
            raise ValueError(f"an image of {self.size} bytes is larger than 16 MiB")
        if (self.type == "text") != (self.max_length is not None):
            raise ValueError("a text column needs max_length in characters, and no other type has one")

    def _check_treatment(self) -> None:
        if self.missing not in (REFUSE, DROP) and not self._stands_for(self.missing):
            raise ValueError(f"missing {self.missing!r} is not refuse, drop or a constant that the column may hold")
        cut = self.ranged or self.type == "text"
        allowed = (REFUSE, DROP, CLIP) if cut else (REFUSE, DROP, *self.values)
        if self.out_of_range not in allowed:
            raise ValueError(f"out_of_range {self.out_of_range!r} is not one of {', '.join(allowed[:8])}")

    def _stands_for(self, constant: str) -> bool:
        if self.type == "category":
            return constant in self.values
        if self.type == "boolean":
            return constant in ("true", "false")
        if not self.ranged:
            return False
        try:
            value = Decimal(constant)
        except InvalidOperation:
            return False
        whole = self.type == "number" or value == value.to_integral_value()
        return whole and Decimal(self.minimum or 0) <= value <= Decimal(self.maximum or 0)
