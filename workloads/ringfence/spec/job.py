"""FederatedJob: what an engineer asks to be trained, on which silos, at which privacy cost.

A job says nothing about where or with whose image it runs: that is the owner's word, in PrivacyBudget. Its whole spec
but `suspend` is fixed once it is made, because the ledgers of its silos record the digest of the spec.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from ringfence import canonical
from ringfence.spec.arguments import without_floats
from ringfence.spec.learning import (
    EvaluationSpec,
    LocalSpec,
    OptimizerSpec,
    PrivacySpec,
    TaskSpec,
)
from ringfence.spec.names import Name, Url
from ringfence.spec.placing import Resources
from ringfence.spec.resource import (
    API_VERSION,
    Frozen,
    Metadata,
    contradiction,
    fixed,
    keyed,
    root_rules,
    rule,
    validations,
)
from ringfence.spec.silo import BudgetRef, SiloSpec
from ringfence.spec.strategy import StrategySpec

__all__ = [
    "BudgetRef",
    "EvaluationSpec",
    "FederatedJob",
    "FederatedJobSpec",
    "LocalSpec",
    "OptimizerSpec",
    "PrivacySpec",
    "SiloSpec",
    "StrategySpec",
    "TaskSpec",
]

_WHY = "a job's spec is fixed; delete the job and make a new one"
_REQUIRED = ("task", "silos", "rounds", "roundDeadlineSeconds", "local", "strategy", "output", "seed", "backoffLimit")
_DEFAULTED = ("serviceAccountName", "nodesPerSilo")
_OPTIONAL = ("purpose", "region", "quorum", "privacy", "evaluation", "activeDeadlineSeconds", "resources")
_ENDING = ("ttlSecondsAfterFinished",)
_RULES = [
    rule("!has(self.quorum) || self.quorum <= size(self.silos)", "must be at most the number of silos", field="quorum"),
    rule(
        "self.silos.exists(silo, has(silo.budgetRef)) == has(self.privacy)",
        "is required when a silo has a budgetRef, and must be left out when every dataset is public",
        field="privacy",
    ),
    # One rule a field, so that an error names it; together they cover the whole spec, task.args included.
    *(fixed(field, why=_WHY) for field in (*_REQUIRED, *_DEFAULTED)),
    *(fixed(field, optional=True, why=_WHY) for field in (*_OPTIONAL, *_ENDING)),
]


class FederatedJobSpec(Frozen):
    """What the engineer asks for."""

    model_config = ConfigDict(json_schema_extra=validations(_RULES))

    service_account_name: Name = Field(
        default="default",
        description="Service account of the job's namespace that asks: owners let it `use` their budgets. In a cluster "
        "only. Default: default. Fixed.",
    )
    task: TaskSpec = Field(description="What is trained. Fixed.")
    silos: tuple[SiloSpec, ...] = Field(
        min_length=1,
        max_length=50,
        json_schema_extra=keyed("name"),
        description="Who trains, 1 to 50 silos. Fixed.",
    )
    resources: Resources | None = Field(
        default=None, description="What each node of a silo gets, in a cluster only. Default: nothing asked for. Fixed."
    )
    nodes_per_silo: Annotated[int, Strict()] = Field(
        default=1, ge=1, le=1, description="Nodes of a silo, in a cluster only. Only 1. Default: 1. Fixed."
    )
    purpose: Name | None = Field(
        default=None,
        description="What the model is for, an RFC 1123 label. Required by budgets that list purposes. Fixed.",
    )
    region: Name | None = Field(
        default=None,
        description="Where the coordinator runs and the output is kept, an RFC 1123 label such as eu. Required by "
        "datasets whose terms name regions. Fixed.",
    )
    rounds: Annotated[int, Strict()] = Field(ge=1, le=10_000, description="Rounds of the job, 1 to 10000. Fixed.")
    quorum: Annotated[int, Strict()] = Field(
        default_factory=lambda data: len(data.get("silos", ())),
        ge=1,
        le=50,
        description="Updates that a round needs, 1 to the number of silos. Default: all of them. Fixed.",
    )
    round_deadline_seconds: Annotated[int, Strict()] = Field(
        default=600,
        ge=1,
        le=604_800,
        description="Seconds a round waits for updates, 1 to 604800. Default: 600. Fixed.",
    )
    local: LocalSpec = Field(description="What a silo does in one round. Fixed.")
    strategy: StrategySpec = Field(description="How updates become the next model. Fixed.")
    privacy: PrivacySpec | None = Field(
        default=None,
        description="What the job may cost each private dataset. Required when a silo has a budgetRef, absent "
        "otherwise. Fixed.",
    )
    evaluation: EvaluationSpec | None = Field(default=None, description="Scores on public rows. Default: none. Fixed.")
    output: Url = Field(description="Prefix under which <job uid>/ with model and statement is written. Fixed.")
    seed: Annotated[int, Strict()] = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the initial model and of sampling without privacy; noise and private samples never use "
        "it. "
        "Default: 0. Fixed.",
    )
    backoff_limit: Annotated[int, Strict()] = Field(
        default=3,
        ge=0,
        le=100,
        description="Failed attempts of a silo before it counts as lost, 0 to 100. Default: 3. Fixed.",
    )
    active_deadline_seconds: Annotated[int, Strict()] | None = Field(
        default=None,
        ge=1,
        le=31_536_000,
        description="Seconds the job may run, 1 to 31536000; suspended time does not count. Default: no limit. Fixed.",
    )
    suspend: Annotated[bool, Strict()] = Field(
        default=False,
        description="Stop without ending: pods go, the reservation is closed, and false goes on from the last "
        "committed round. In a cluster only. Default: false. The one field that may be changed.",
    )
    ttl_seconds_after_finished: Annotated[int, Strict()] | None = Field(
        default=None,
        ge=0,
        le=31_536_000,
        description="Seconds after its end until the resource is deleted, in a cluster only; model and statement stay. "
        "Default: never. Fixed.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [*_repetitions(self.silos), *_quorum(self), *_privacy(self)]
        if faults:
            raise contradiction(faults)
        return self


class FederatedJob(Frozen):
    """A federated training job: silos train in rounds, each paying from its own privacy budget."""

    model_config = ConfigDict(json_schema_extra=validations(root_rules()))

    api_version: Literal["ringfence.dev/v1alpha1"] = API_VERSION
    kind: Literal["FederatedJob"] = "FederatedJob"
    metadata: Metadata
    spec: FederatedJobSpec = Field(description="What the engineer asks for. Fixed once the job is made, but suspend.")

    def digest(self) -> str:
        """`sha256:<hex>` of the canonical JSON of {namespace, name, spec}, defaults written out, without suspend."""
        named = {"namespace": self.metadata.namespace, "name": self.metadata.name}
        spec = {field: value for field, value in self.spec.to_document().items() if field != "suspend"}
        return canonical.digest(canonical.encode({**named, "spec": without_floats(spec)}))


def _repetitions(silos: tuple[SiloSpec, ...]) -> list[tuple[str, str]]:
    """Silos, budgets or datasets that are named twice; rows that train twice in a round would be charged twice."""
    names = Counter(silo.name for silo in silos)
    sources = Counter(
        f"budgetRef {silo.budget_ref.namespace}/{silo.budget_ref.name}"
        if silo.budget_ref
        else f"dataset {silo.dataset}"
        for silo in silos
    )
    faults = [("silos", f"silo {name} is named {count} times") for name, count in names.items() if count > 1]
    return faults + [("silos", f"{source} is used by {count} silos") for source, count in sources.items() if count > 1]


def _quorum(spec: FederatedJobSpec) -> list[tuple[str, str]]:
    if spec.quorum <= len(spec.silos):
        return []
    return [("quorum", f"{spec.quorum} is more than the number of silos, {len(spec.silos)}")]


def _privacy(spec: FederatedJobSpec) -> list[tuple[str, str]]:
    private = [silo.name for silo in spec.silos if silo.budget_ref]
    if private and not spec.privacy:
        return [("privacy", f"is required, since silo {private[0]} has a budgetRef")]
    if spec.privacy and not private:
        return [("privacy", "must be left out, since every silo's dataset is public")]
    return []
