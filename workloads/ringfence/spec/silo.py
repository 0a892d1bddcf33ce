"""One silo of a job, and the two ways to name its rows."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ringfence.spec.names import Name, Url
from ringfence.spec.resource import Frozen, rule, validations


class BudgetRef(Frozen):
    """A PrivacyBudget, by namespace and name."""

    namespace: Name = Field(description="Namespace of the PrivacyBudget: the silo's, governed by its owner.")
    name: Name = Field(description="Name of the PrivacyBudget.")


class SiloSpec(Frozen):
    """One silo: exactly one of budgetRef (private rows, paid from a budget) and dataset (sealed as public)."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            [rule("has(self.budgetRef) != has(self.dataset)", "name exactly one of budgetRef and dataset")]
        )
    )

    name: Name = Field(
        description="Name of the silo, unique in the job. Updates are added up in the order of these names."
    )
    budget_ref: BudgetRef | None = Field(
        default=None,
        description="The PrivacyBudget that this silo's rows are paid from. Exactly one of budgetRef and dataset.",
    )
    dataset: Url | None = Field(
        default=None, description="URL of a dataset that its owner sealed as public; nothing is charged for it."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.budget_ref is None) == (self.dataset is None):
            found = "neither" if self.dataset is None else "both"
            raise PydanticCustomError("one_source", f"names {found} of budgetRef and dataset; name exactly one")
        return self
