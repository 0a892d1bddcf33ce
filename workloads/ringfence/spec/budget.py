"""PrivacyBudget: what an owner lets be learned from a dataset, by whom, with which code.

It lives in the owner's namespace, whose access rules govern it. The ledger beside the data, not this resource, is what
holds the budget: raising `epsilon` here does nothing without the owner's signed entry there.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ringfence.spec.names import ApprovedCode, Name, PublicKey, Url
from ringfence.spec.placing import Amounts, Image, NodeSelector, Toleration
from ringfence.spec.quantities import FractionDecimal, PositiveDecimal
from ringfence.spec.resource import (
    API_VERSION,
    ATOMIC,
    SET,
    Frozen,
    Metadata,
    fixed,
    keyed,
    refuse_repeats,
    root_rules,
    validations,
)

_LEDGER = "the ledger holds it for good; make a new PrivacyBudget"
_FIXED = [fixed(field, why=_LEDGER) for field in ("dataset", "signer", "unit", "delta", "accountant")]


class SecretRef(Frozen):
    """A Secret in the budget's own namespace."""

    name: Name = Field(
        description="Name of the Secret; on a laptop, of the key file in DIR/<namespace>/ with --keys DIR."
    )


class Consumer(Frozen):
    """A namespace that may spend, and how much."""

    namespace: Name = Field(description="Namespace whose jobs may spend; unique in the list.")
    max_epsilon: PositiveDecimal | None = Field(
        default=None,
        description="Share of the budget for this namespace: the epsilon that all its jobs together may reach, a "
        "decimal "
        "string. Default: the whole budget. The owner changes it at will.",
    )
    max_epsilon_per_job: PositiveDecimal | None = Field(
        default=None,
        description="Greatest privacy.epsilon of one job, a decimal string. Default: no limit but the budget. The "
        "owner "
        "changes it at will.",
    )


class Runtime(Frozen):
    """What may run where the key is, and on which nodes. All but allowedCode is the cluster's; a laptop ignores it."""

    image: Image | None = Field(
        default=None,
        description="Image of the silo's pods, by digest in production. Default: the operator's workload image. The "
        "owner changes it at will; a running attempt keeps its own.",
    )
    allowed_code: tuple[ApprovedCode, ...] = Field(
        default=("builtin",),
        max_length=100,
        json_schema_extra=SET,
        description="Code that may open the rows: builtin (the tasks of this release) and sha256:<64 hex digits> of "
        "packages "
        "that the owner has read. Default: builtin. The owner changes it at will.",
    )

    node_selector: NodeSelector = Field(
        default_factory=dict, description="Labels of the nodes that the silo's pods may run on. Default: any node."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=ATOMIC,
        description="Taints of nodes that the silo's pods tolerate. Default: none.",
    )
    queue_name: Name | None = Field(
        default=None,
        description="The Kueue LocalQueue of this namespace that the silo's Ray clusters wait in. Default: no queue.",
    )
    max_resources: Amounts = Field(
        default_factory=dict,
        description='Greatest amounts that a job may ask for each node, such as cpu: "8", memory: 32Gi; a resource '
        "that is not listed is not bounded. Default: no bound.",
    )
    metrics_from: Name | None = Field(
        default=None,
        description="Namespace of the Prometheus that may scrape the silo's pods: times, declared counts and use of "
        "processors, nothing of rows. Default: none may.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_repeats("allowedCode", self.allowed_code)
        return self


class PrivacyBudgetSpec(Frozen):
    """The owner's consent."""

    model_config = ConfigDict(json_schema_extra=validations(_FIXED))

    dataset: Url = Field(description="URL of the sealed dataset; its signed manifest pins the ledger. Fixed.")
    signer: PublicKey = Field(
        description="Public key whose signature on the manifest counts, ed25519:<43 characters>. Fixed."
    )
    key_secret_ref: SecretRef = Field(
        description="The Secret that holds the key of the shards. The owner changes it on rotation."
    )
    store_secret_ref: SecretRef | None = Field(
        default=None,
        description="The Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the silo's pods, where the "
        "operator makes no credentials itself. Default: ringfence-store. The owner changes it at will.",
    )
    unit: Literal["Record", "User", "Silo"] = Field(
        description="Whom the guarantee protects: one record, all records of one user, or all of the silo's records "
        "together. Must match the manifest. Fixed."
    )
    epsilon: PositiveDecimal = Field(
        description="Greatest epsilon that all jobs together may spend, a decimal string greater than 0, such as "
        '"8". Lowered '
        "by the owner at will; raised only together with the owner's signed entry in the ledger."
    )
    delta: FractionDecimal = Field(
        description='Delta at which epsilon holds, a decimal string in (0, 1), such as "1e-6". Below 1 / records. '
        "Fixed."
    )
    accountant: Literal["rdp", "gdp"] = Field(
        default="rdp",
        description="How costs add up: rdp (a Renyi filter on a grid of orders), or gdp (the sum of mu squared; loses "
        "nothing, and admits only jobs in which every unit takes part in every step). Default: rdp. Fixed.",
    )
    consumers: tuple[Consumer, ...] = Field(
        default=(),
        max_length=100,
        json_schema_extra=keyed("namespace"),
        description="Namespaces whose jobs may spend; nobody else may. Default: none. The owner changes it at will.",
    )
    purposes: tuple[Name, ...] = Field(
        default=(),
        max_length=100,
        json_schema_extra=SET,
        description="Purposes that jobs may have, RFC 1123 labels. Default: any. The owner changes it at will.",
    )
    runtime: Runtime = Field(
        default=Runtime(),
        description="What may run where the key is. Default: the built-in tasks only.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_repeats("consumers", [consumer.namespace for consumer in self.consumers])
        refuse_repeats("purposes", self.purposes)
        return self


class PrivacyBudget(Frozen):
    """What may be learned from a sealed dataset, by whom, with which code, and how much privacy that may cost."""

    model_config = ConfigDict(json_schema_extra=validations(root_rules()))

    api_version: Literal["ringfence.dev/v1alpha1"] = API_VERSION
    kind: Literal["PrivacyBudget"] = "PrivacyBudget"
    metadata: Metadata
    spec: PrivacyBudgetSpec = Field(description="The owner's consent.")
