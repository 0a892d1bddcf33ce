"""One attempt of a party: everything that its documents are rendered from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence_operator.names import JOB_NAMESPACE, child, labels
from ringfence_operator.seen import Accepted, Job
from ringfence_operator.settings import Settings

Document = dict[str, Any]


@dataclass(frozen=True)
class Attempt:
    """`silo` is "" for the coordinator. `budgets` are those of all private silos of the job."""

    job: Job
    resource: FederatedJob
    silo: str
    attempt: int
    budgets: Mapping[str, PrivacyBudget]
    accepted: Accepted
    settings: Settings

    @property
    def name(self) -> str:
        return child(self.job.uid, self.silo, self.attempt, coordinator=not self.silo)

    @property
    def secret(self) -> str:
        """The party's keys and credentials. KubeRay keeps a cluster's token in a Secret of the cluster's own name."""
        return f"{self.name}-job"

    @property
    def budget(self) -> PrivacyBudget | None:
        """The silo's; None for a public silo and for the coordinator."""
        return self.budgets.get(self.silo)

    @property
    def namespace(self) -> str:
        """A private silo's is its owner's. The coordinator's and a public silo's is the job's; where one guarantee
        protects a whole silo, the engineer may not see what the coordinator sees: there it is the operator's."""
        if self.budget is not None:
            return self.budget.metadata.namespace
        if not self.silo and any(budget.spec.unit == "Silo" for budget in self.budgets.values()):
            return self.settings.namespace
        return self.job.namespace

    @property
    def labels(self) -> dict[str, str]:
        return labels(self.job.uid, self.job.name, self.silo, self.attempt)

    @property
    def pod_labels(self) -> dict[str, str]:
        """The pods' own: with the job's namespace, which a scrape adds to what they export."""
        return {**self.labels, JOB_NAMESPACE: self.job.namespace}

    @property
    def image(self) -> str:
        """The owner's image; the installation's where the owner names none, and for the coordinator."""
        return (self.budget.spec.runtime.image if self.budget else None) or self.settings.image

    def document(self, version: str, kind: str, anchor: str, **body: Any) -> Document:
        """An object of this attempt under its name, owned by the anchor with that uid ("" for the anchor itself)."""
        metadata: Document = {"name": self.name, "namespace": self.namespace, "labels": self.labels}
        if anchor:
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": self.name, "uid": anchor, "controller": True}
            ]
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
