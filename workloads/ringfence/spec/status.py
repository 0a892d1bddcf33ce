"""What the controller reports: conditions are the truth, the rest is for people and printer columns.

Nobody but the controller writes a status, and no code reads `phase`. A manifest on disk has none.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from ringfence.spec.resource import Frozen, keyed

_Text = Annotated[str, Strict()]


class Condition(Frozen):
    """One observed fact, in the form that all Kubernetes resources share."""

    type: _Text = Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$", description="Name of the condition, PascalCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: _Text = Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$", description="Why, one word of a closed set.")
    message: _Text = Field(max_length=1024, description="Why, in a sentence for people; may be empty.")
    last_transition_time: _Text = Field(
        max_length=40, json_schema_extra={"format": "date-time"}, description="When status last changed, RFC 3339."
    )
    observed_generation: Annotated[int, Strict()] | None = Field(
        default=None, ge=0, description="metadata.generation that the condition was computed from."
    )


_Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed("type"))]
_Decimal = Annotated[str, Strict(), Field(max_length=32, pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]


class FederatedJobStatus(Frozen):
    """Where a job stands, as last observed by the controller."""

    observed_generation: Annotated[int, Strict()] | None = Field(
        default=None, ge=0, description="metadata.generation that this status was computed from."
    )
    phase: _Text | None = Field(
        default=None, max_length=32, description="The conditions in one word, for the printed table only."
    )
    round: Annotated[int, Strict()] | None = Field(
        default=None, ge=0, le=10_000, description="Rounds committed so far."
    )
    epsilon: _Decimal | None = Field(default=None, description="The job's epsilon so far, over its committed rounds.")
    conditions: _Conditions = Field(
        default_factory=tuple,
        description="Accepted, BudgetReserved, ClustersReady, Progressing, Suspended, Complete and Failed.",
    )


class PrivacyBudgetStatus(Frozen):
    """What the ledger says, as last read by the controller."""

    observed_generation: Annotated[int, Strict()] | None = Field(
        default=None, ge=0, description="metadata.generation that this status was computed from."
    )
    spent: _Decimal | None = Field(
        default=None, description="Epsilon of everything charged, composed, on the worst shard."
    )
    reserved: _Decimal | None = Field(
        default=None, description="Epsilon that open reservations would add to what is spent."
    )
    remaining: _Decimal | None = Field(
        default=None, description="Epsilon between the limit and what is spent and reserved."
    )
    conditions: _Conditions = Field(
        default_factory=tuple, description="Whether the ledger is there, whole and open for spending."
    )
