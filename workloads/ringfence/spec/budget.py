"""PrivacyBudget: what an owner lets be learned from a dataset, by whom, with which code.

It lives in the owner's namespace, whose access rules govern it. The ledger beside the data, not this resource, is what
holds the budget: raising `epsilon` here does nothing without the owner's signed entry there.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ringfence.spec.names import ApprovedCode, Name, PublicKey, Url
from ringfence.spec.quantities import FractionDecimal, PositiveDecimal
from ringfence.spec.resource import (
    API_VERSION,
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
    """What may run where the key is."""

    allowed_code: tuple[ApprovedCode, ...] = Field(
        default=("builtin",),
        max_length=100,
        json_schema_extra=SET,
        description="Code that may open the rows: builtin (the tasks of this release) and sha256:<64 hex digits> of "
        "packages "
        "that the owner has read. Default: builtin. The owner changes it at will.",
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
    unit: Literal["Record", "User"] = Field(
        description="Whom the guarantee protects: one record, or all records of one user. Must match the manifest. "
        "Fixed."
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
    accountant: Literal["rdp"] = Field(
        default="rdp", description="How costs add up: rdp (a Renyi filter on a grid of orders). Default: rdp. Fixed."
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
