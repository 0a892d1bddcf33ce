"""The mapping file: how one silo's several sources become the rows of one declared schema.

    sources:
      stays: {path: stays.csv}
      labs:  {path: labs.parquet, key: patient}        # at most one row for a key; joined to the first source
    columns:
      patient: {from: stays.PATIENT_ID}
      weight:  {from: labs.weight_lb, multiply: "0.45359237"}
      ward:    {from: stays.WARD, codes: {"1": surgery, "2": medicine}}
      hour:    {from: stays.ADMITTED, time_zone: Europe/Berlin, part: hour}

Every line is about one record, so that harmonising costs no privacy.
"""

from __future__ import annotations

import zoneinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ringfence.errors import InvalidInput
from ringfence.schema.columns import DecimalText

Part = Literal["year", "month", "day", "weekday", "hour", "minute"]


def _zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError(f"{name[:60]!r} is not a time zone such as Europe/Berlin")
    return name


class Source(BaseModel):
    """A file or folder of one silo; `key` names the column by which it is joined to the first source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    key: str | None = None


class Rule(BaseModel):
    """Where a column comes from and what is done to each value, in the order of the fields.

    `codes` replaces values (all others become missing); `multiply` and `add` change the physical unit; `time_zone` says
    in which zone times without one were written, and `part` takes the number of a part of the time as read there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(alias="from", pattern=r"^[^.]+\..+$")
    codes: dict[str, str] | None = None
    multiply: DecimalText | None = None
    add: DecimalText | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] | None = None
    part: Part | None = None

    @property
    def place(self) -> tuple[str, str]:
        """The source's name and its column."""
        name, _, column = self.source.partition(".")
        return name, column

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        numeric, timed = self.multiply or self.add, self.time_zone or self.part
        if sum(map(bool, (self.codes, numeric, timed))) > 1:
            raise ValueError("codes, multiply/add, and time_zone/part exclude each other")
        if self.multiply and not Decimal(self.multiply):
            raise ValueError("multiply by 0 would erase the column")
        return self

    def words(self) -> str:
        """The lineage of the column in a few words."""
        done = [f"{len(self.codes)} codes replaced"] if self.codes else []
        done += [f"times {self.multiply}"] if self.multiply else []
        done += [f"plus {self.add}"] if self.add else []
        done += [f"in {self.time_zone}"] if self.time_zone else []
        done += [f"its {self.part}"] if self.part else []
        return ", ".join([self.source, *done])


class SourceMapping(BaseModel):
    """Sources, the first of which has the records, and the columns made from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, Source] = Field(min_length=1, max_length=20)
    columns: dict[str, Rule] = Field(min_length=1, max_length=1024)

    @model_validator(mode="after")
    def _whole(self) -> SourceMapping:
        if len(self.sources) > 1 and any(source.key is None for source in self.sources.values()):
            raise ValueError("with several sources each needs a key; the first one's is what the others are joined by")
        for column, rule in self.columns.items():
            if rule.place[0] not in self.sources:
                known = ", ".join(self.sources)
                raise ValueError(f"column {column!r} comes from {rule.place[0]!r}, which is no source (known: {known})")
        return self

    @property
    def first(self) -> str:
        """The source whose rows are the records."""
        return next(iter(self.sources))


def load_mapping(path: Path) -> SourceMapping:
    """The mapping in a YAML file. Raises InvalidInput with the file, the place and the reason."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - only text
        return SourceMapping.model_validate(document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput("the mapping file cannot be read as YAML", where=str(path)) from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, item['loc'])) or 'mapping'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()[:3]
        ]
        raise InvalidInput("; ".join(faults), where=str(path)) from error
