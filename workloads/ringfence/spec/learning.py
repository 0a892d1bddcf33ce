"""What is trained and how: the parts of a FederatedJob that a silo carries out."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from ringfence.spec.arguments import Arguments
from ringfence.spec.names import ClassPath, CodeUrl, Url
from ringfence.spec.quantities import FractionDecimal, PositiveDecimal, ShareDecimal
from ringfence.spec.resource import SET, Frozen, contradiction, refuse_repeats, rule, validations


class TaskSpec(Frozen):
    """What is trained."""

    class_: ClassPath = Field(
        description="The task as module:Class, such as ringfence.tasks:TabularClassifier. At most 200 characters.",
    )
    args: Arguments = Field(
        default_factory=dict,
        description="Arguments of the class's constructor, any JSON: at most 32 names, 8 levels, 16 KiB. Default: "
        "none. "
        "Part of the spec's digest.",
    )
    code: CodeUrl | None = Field(
        default=None,
        description="The package of a task of one's own, as URL@sha256:<64 hex digits> (ringfence package prints "
        "the digest). "
        "Each silo's owner approves it by that digest. Default: the built-in tasks.",
    )


class OptimizerSpec(Frozen):
    """The optimizer of a silo's local steps."""

    name: Literal["sgd"] = Field(description="Algorithm. Only sgd.")
    learning_rate: PositiveDecimal = Field(
        description='Step size, a decimal string greater than 0, such as "0.1". With privacy it divides the noise too.'
    )
    momentum: ShareDecimal = Field(default="0", description='Momentum, a decimal string in [0, 1). Default: "0".')


_TAKING_PART = [
    rule("has(self.batchSize) || has(self.everybody)", "is required", field="batchSize"),
    rule(
        "!(has(self.batchSize) && has(self.everybody) && self.everybody == 'Records')",
        "must be left out, since everybody is Records",
        field="batchSize",
    ),
    rule(
        "!(has(self.usersPerRound) && has(self.everybody))",
        "must be left out, since everybody takes its place",
        field="usersPerRound",
    ),
]


class LocalSpec(Frozen):
    """What a silo does in one round."""

    model_config = ConfigDict(json_schema_extra=validations(_TAKING_PART))

    epochs: PositiveDecimal = Field(
        default="1",
        description='Passes over the training records in a round, a decimal string greater than 0; "0.5" is half a '
        "pass. "
        'Default: "1".',
    )
    everybody: Literal["Records", "Users"] | None = Field(
        default=None,
        description="Who takes part in every step, all of them, however many each silo has: Records instead of "
        "batchSize, or Users instead of usersPerRound. No amplification by sampling is claimed. Default: samples are "
        "drawn.",
    )
    batch_size: Annotated[int, Strict()] | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Records in a step, 1 to 1000000; with privacy the expected number, since each record is drawn "
        "alone. "
        "The sampling rate is batchSize divided by the dataset's training records. With usersPerRound: records of one "
        "user in a step, in the order they were sealed in. Required without everybody; with it, all records are one "
        "step.",
    )
    users_per_round: Annotated[int, Strict()] | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Users that train in a round of each silo, 1 to 1000000; with privacy the expected number, since "
        "each user is drawn alone. It or `everybody: Users` is required for datasets of unit User behind a budget; "
        "both are absent for those of other units. With either, epochs and batchSize describe one user's training on "
        "its own records.",
    )
    optimizer: OptimizerSpec = Field(description="The optimizer of the local steps.")

    @property
    def by_user(self) -> bool:
        """Whether the job trains user by user."""
        return self.users_per_round is not None or self.everybody == "Users"

    def batch(self, records: int) -> int:
        """Records in a step of a silo with so many: all of them, or as many as the job says."""
        return records if self.batch_size is None else self.batch_size

    def users(self, units: int) -> int | None:
        """Users in a round of a silo with so many; None for a job that does not train by user."""
        return units if self.everybody == "Users" else self.users_per_round

    @model_validator(mode="after")
    def _taking_part(self) -> Self:
        faults = []
        if self.batch_size is None and self.everybody is None:
            faults.append(("batchSize", "is required"))
        if self.batch_size is not None and self.everybody == "Records":
            faults.append(("batchSize", "must be left out, since everybody is Records"))
        if self.users_per_round is not None and self.everybody is not None:
            faults.append(("usersPerRound", f"must be left out, since everybody is {self.everybody}"))
        if faults:
            raise contradiction(faults)
        return self


class PrivacySpec(Frozen):
    """What this job may cost each private dataset; the noise is solved from it."""

    epsilon: PositiveDecimal = Field(
        description='Greatest epsilon of the whole job for each dataset, a decimal string greater than 0, such as "2". '
        "Smaller means more noise."
    )
    delta: FractionDecimal = Field(
        description='Delta at which epsilon holds, a decimal string in (0, 1), such as "1e-6". Below 1 / records of '
        "every "
        "dataset, and at most the budget's delta."
    )
    max_grad_norm: PositiveDecimal = Field(
        description="Norm to which each record's gradient is clipped, a decimal string greater than 0, such as "
        "\"1\". For unit User each user's whole update of a round, for unit Silo each silo's."
    )


class EvaluationSpec(Frozen):
    """Scores on rows that are public, so that they cost nothing."""

    dataset: Url = Field(description="URL of a dataset that its owner sealed as public.")
    every_rounds: Annotated[int, Strict()] = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Rounds between two evaluations, 1 to 10000. Default: 1. The last round always counts.",
    )
    metrics: tuple[Literal["auc", "accuracy", "loss", "rmse", "mae"], ...] = Field(
        default=("auc",),
        min_length=1,
        max_length=5,
        json_schema_extra=SET,
        description="Scores to compute: auc (two classes), accuracy (classes), rmse and mae (numbers), loss (any "
        "task). Default: auc.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_repeats("metrics", self.metrics)
        return self
