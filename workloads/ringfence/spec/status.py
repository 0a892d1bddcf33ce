"""What the controller reports: conditions are the truth, the rest is for people and printer columns.

Nobody but the controller writes a status, and no code reads `phase`. A manifest on disk has none.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from ringfence.spec.resource import ATOMIC, Frozen, keyed

_Text = Annotated[str, Strict()]
_Integer = Annotated[int, Strict()]
_Time = Annotated[str, Strict(), Field(max_length=40, json_schema_extra={"format": "date-time"})]
_Word = Annotated[str, Strict(), Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$")]
_Name = Annotated[str, Strict(), Field(max_length=63)]
_Address = Annotated[str, Strict(), Field(max_length=1024)]
_Digest = Annotated[str, Strict(), Field(max_length=71)]


class Condition(Frozen):
    """One observed fact, in the form that all Kubernetes resources share."""

    type: _Word = Field(description="Name of the condition, PascalCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: _Word = Field(description="Why, one word of a closed set.")
    message: _Text = Field(max_length=1024, description="Why, in a sentence for people; may be empty.")
    last_transition_time: _Time = Field(description="When status last changed, RFC 3339.")
    observed_generation: _Integer | None = Field(
        default=None, ge=0, description="metadata.generation that the condition was computed from."
    )


_Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed("type"))]
_Decimal = Annotated[str, Strict(), Field(max_length=32, pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]
_Scores = Annotated[
    dict[
        Annotated[str, Strict(), Field(max_length=40)],
        Annotated[str, Strict(), Field(max_length=32, description="The score, a decimal string.")],
    ],
    Field(max_length=16),
]
_Totals = Annotated[
    dict[
        Annotated[str, Strict(), Field(max_length=40)],
        Annotated[str, Strict(), Field(max_length=32, description="A number, a decimal string.")],
    ],
    Field(max_length=16),
]


class SiloStatus(Frozen):
    """Where one silo of a job stands."""

    name: _Name = Field(description="Name of the silo.")
    state: Literal["Pending", "Waiting", "Starting", "Training", "Done", "Lost", "Stopped"] = Field(
        default="Pending", description="Where it stands, in one word."
    )
    attempt: _Integer = Field(default=0, ge=0, description="Ray clusters made for it so far.")
    failures: _Integer = Field(default=0, ge=0, description="Attempts that failed; preemption and eviction are none.")
    reason: _Word | None = Field(default=None, description="Why it is lost or waits, one word.")
    message: _Text | None = Field(default=None, max_length=1024, description="Why, in a sentence for people.")
    manifest_version: _Integer | None = Field(default=None, ge=0, description="Version of the manifest it trains on.")
    manifest_digest: _Digest | None = Field(default=None, description="Digest of that manifest.")
    dataset: _Address | None = Field(default=None, description="URL of its dataset.")
    before: _Decimal | None = Field(default=None, description="Epsilon that its ledger had spent before this job.")
    totals: _Totals | None = Field(
        default=None, description="What its ended attempts came to: rounds, expected examples, seconds by part."
    )


class FederatedJobStatus(Frozen):
    """Where a job stands, as last observed by the controller."""

    observed_generation: _Integer | None = Field(
        default=None, ge=0, description="metadata.generation that this status was computed from."
    )
    phase: _Text | None = Field(
        default=None, max_length=32, description="The conditions in one word, for the printed table only."
    )
    run: _Integer | None = Field(
        default=None,
        ge=0,
        description="Times it was started: once, and again after each suspension, requeueing or loss of its "
        "coordinator.",
    )
    round: _Integer | None = Field(default=None, ge=0, le=10_000, description="Rounds committed so far.")
    rounds: _Integer | None = Field(default=None, ge=0, le=10_000, description="Rounds asked for.")
    epsilon: _Decimal | None = Field(default=None, description="The job's epsilon so far, over its committed rounds.")
    eta: _Time | None = Field(default=None, description="When the job will be done if it goes on as now, RFC 3339.")
    metrics: _Scores | None = Field(default=None, description="The last scores, by name.")
    totals: _Totals | None = Field(
        default=None, description="What the coordinator's rounds came to: updates, bytes, seconds by part."
    )
    silos_ready: _Text | None = Field(default=None, max_length=16, description="Silos whose drivers run, of all.")
    silos: Annotated[tuple[SiloStatus, ...], Field(max_length=50, json_schema_extra=keyed("name"))] = Field(
        default_factory=tuple, description="Where each silo stands."
    )
    last_checkpoint: _Address | None = Field(default=None, description="URL of the newest committed model.")
    model: _Address | None = Field(default=None, description="URL of the trained model.")
    statement: _Address | None = Field(default=None, description="URL of the statement of what it cost.")
    started: _Time | None = Field(default=None, description="When its clock last started running, RFC 3339.")
    ran_seconds: _Integer | None = Field(
        default=None, ge=0, description="Seconds that its clock ran before that, for activeDeadlineSeconds."
    )
    retry_after: _Time | None = Field(default=None, description="Not started again before this time, RFC 3339.")
    completed: _Time | None = Field(default=None, description="When it ended, RFC 3339.")
    conditions: _Conditions = Field(
        default_factory=tuple,
        description="Accepted, BudgetReserved, ClustersReady, Progressing, Suspended, Complete, Failed, and "
        "CleanupBlocked where something could not be removed.",
    )


class JobShare(Frozen):
    """What one job holds of a budget."""

    namespace: _Name = Field(description="Namespace of the job.")
    name: _Name = Field(description="Name of the job.")
    uid: _Name = Field(description="Uid of the job.")
    silo: _Name = Field(description="Its silo that spends here.")
    open: bool = Field(description="Whether its reservation is open.")
    rounds: _Integer = Field(ge=0, description="Rounds reserved.")
    charged: _Integer = Field(ge=0, description="Rounds charged.")


class PrivacyBudgetStatus(Frozen):
    """What the ledger says, as last read by the controller."""

    observed_generation: _Integer | None = Field(
        default=None, ge=0, description="metadata.generation that this status was computed from."
    )
    limit: _Decimal | None = Field(
        default=None, description="What may be spent in all: the owner's limit, or what is committed if that is more."
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
    typical_jobs_left: _Integer | None = Field(
        default=None, ge=0, description="How many more jobs like the newest one would be admitted."
    )
    shards: _Integer | None = Field(default=None, ge=0, description="Shards registered in the ledger.")
    ledger: _Address | None = Field(default=None, description="URL of the ledger.")
    ledger_head: _Text | None = Field(
        default=None, max_length=100, description="Index and hash of the newest entry, as index:hash."
    )
    writer: _Text | None = Field(
        default=None, max_length=51, description="The operator's public key, which the owner lets write the ledger."
    )
    waiting: _Integer | None = Field(default=None, ge=0, description="Jobs that wait for room in this budget.")
    jobs: Annotated[tuple[JobShare, ...], Field(max_length=20, json_schema_extra=ATOMIC)] = Field(
        default_factory=tuple, description="The newest 20 jobs that reserved here, open ones first."
    )
    conditions: _Conditions = Field(
        default_factory=tuple, description="Ready: whether the ledger is there, whole and open for spending."
    )
