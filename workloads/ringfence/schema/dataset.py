"""The declared schema of a dataset, as a task sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ringfence import canonical
from ringfence.errors import InvalidSchema
from ringfence.schema import arrays
from ringfence.schema.columns import Column
from ringfence.schema.spelling import hint

Rows: TypeAlias = pa.RecordBatch | pa.Table

_ASK = {"image": "ask schema.pixels(rows) for images", "text": "ask schema.texts(rows) for texts"}


class DatasetSchema(BaseModel):
    """Declared columns of a dataset.

    A task reads `features`, `numeric`, `categorical`, `images`, `written` and `target_column` to build a model,
    and turns Arrow rows into arrays with `scaled`, `codes`, `pixels`, `texts` and `target`, by declared constants only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Annotated[str, Field(max_length=2000)] | None = None
    drop_exact_duplicates: bool = False
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=1024)]

    @property
    def kept(self) -> tuple[Column, ...]:
        """Columns that are sealed: features, target and unit, as declared."""
        return tuple(column for column in self.columns if column.kept)

    @property
    def features(self) -> tuple[Column, ...]:
        """What a model may look at, in declared order."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def numeric(self) -> tuple[Column, ...]:
        """Features of type number, integer or boolean."""
        return tuple(column for column in self.features if column.numeric)

    @property
    def categorical(self) -> tuple[Column, ...]:
        """Features of type category."""
        return tuple(column for column in self.features if column.type == "category")

    @property
    def images(self) -> tuple[Column, ...]:
        """Features of type image."""
        return tuple(column for column in self.features if column.type == "image")

    @property
    def written(self) -> tuple[Column, ...]:
        """Features of type text."""
        return tuple(column for column in self.features if column.type == "text")

    @property
    def target_column(self) -> Column | None:
        """What is to be predicted, if anything is."""
        return self._only("target")

    @property
    def unit_column(self) -> Column | None:
        """The column whose value says to which person a row belongs, if one is declared."""
        return self._only("unit")

    def column(self, name: str) -> Column:
        """The column of that name. Raises InvalidSchema with the nearest right spelling."""
        for column in self.columns:
            if column.name == name:
                return column
        remedy = hint(name, [column.name for column in self.columns])
        raise InvalidSchema(f"the schema declares no column {name!r}", remedy=remedy)

    def scaled(self, rows: Rows, columns: Sequence[Column] | None = None) -> npt.NDArray[np.float32]:
        """float32 [B, len(columns)], by default one column for every feature, each within [-1, 1].

        A number x becomes (x - middle) / half-width of its declared range, a boolean -1 or 1, a category its position
        among the declared values spread evenly over [-1, 1]. With `schema.numeric` as `columns` categories are left to
        `codes`. Raises InvalidRows for a column that is absent or not clean.
        """
        chosen = self.features if columns is None else tuple(columns)
        for column in chosen:
            if column.type in ("image", "text"):
                message = f"column {column.name!r} is {column.type} and not a number"
                raise InvalidSchema(message, remedy=_ASK[column.type])
        return arrays.scaled(rows, chosen)

    def codes(self, rows: Rows) -> npt.NDArray[np.int64]:
        """int64 [B, len(categorical)]: the position of each value among its column's declared values."""
        return arrays.codes(rows, self.categorical)

    def pixels(self, rows: Rows, name: str | None = None) -> npt.NDArray[np.uint8]:
        """uint8 [B, channels, height, width] of the image column `name`, by default the only one.

        One byte a number: let the model divide by 255, so that encoded rows take a quarter of the memory. Raises
        InvalidSchema when there is no such image column, InvalidRows when it is absent from the rows or not clean.
        """
        return arrays.pixels(rows, self._one("image", self.images, name))

    def texts(self, rows: Rows, name: str | None = None) -> list[str]:
        """The B texts of the text column `name`, by default the only one. Raises as `pixels` does."""
        return arrays.texts(rows, self._one("text", self.written, name))

    def target(self, rows: Rows) -> npt.NDArray[np.float32]:
        """float32 [B]: 0 or 1 for a boolean, the position of a category, a number as it is.

        Raises InvalidSchema when no column has the role target.
        """
        column = self.target_column
        if column is None:
            raise InvalidSchema("the schema declares no target", remedy="give one column `role: target`")
        return arrays.target(rows, column)

    def without_target(self) -> DatasetSchema:
        """The same schema of rows that nobody has labelled."""
        columns = tuple(column for column in self.columns if column.role != "target")
        return self.model_copy(update={"columns": columns})

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of cleaned rows: the kept columns in declared order, none nullable."""
        return pa.schema([pa.field(column.name, arrays.arrow_type(column), nullable=False) for column in self.kept])

    def document(self) -> dict[str, Any]:
        """The schema as plain strings, lists and booleans: what a manifest holds. Fields not given are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """`sha256:<hex>` of the canonical JSON of `document()`."""
        return canonical.digest(canonical.encode(self.document()))

    def compatible(self, other: DatasetSchema) -> list[str]:
        """How `other` differs in what a model sees, one line a difference; empty when one model fits both."""
        from ringfence.schema.compare import differences

        return differences(self, other)

    def _one(self, kind: str, columns: tuple[Column, ...], name: str | None) -> Column:
        named = [column for column in columns if name in (None, column.name)]
        if len(named) == 1:
            return named[0]
        if not columns:
            raise InvalidSchema(f"the schema declares no feature of type {kind}", remedy=f"declare one `type: {kind}`")
        if name is None:
            raise InvalidSchema(f"{len(columns)} features have type {kind}", remedy="name one of them")
        remedy = hint(name, [column.name for column in columns])
        raise InvalidSchema(f"the schema declares no {kind} {name!r}", remedy=remedy)

    def _only(self, role: str) -> Column | None:
        return next((column for column in self.columns if column.role == role), None)

    @model_validator(mode="after")
    def _whole(self) -> DatasetSchema:
        names = [column.name for column in self.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"columns declared twice: {', '.join(repeated[:5])}")
        for role in ("target", "unit"):
            if sum(column.role == role for column in self.columns) > 1:
                raise ValueError(f"more than one column has the role {role}")
        if not self.features:
            raise ValueError("no column has the role feature")
        return self
