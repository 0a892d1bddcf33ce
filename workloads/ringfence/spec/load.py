"""Manifests: files of YAML documents in, frozen models out, or one line that says everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ringfence.errors import InvalidManifest
from ringfence.spec.bounds import not_json
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.consent import RBAC
from ringfence.spec.documents import documents, read_file
from ringfence.spec.faults import describe, join, show, suggestion
from ringfence.spec.job import BudgetRef, FederatedJob
from ringfence.spec.resource import API_VERSION
from ringfence.spec.write import dump

__all__ = ["Manifests", "Resource", "dump", "load_manifests", "parse_document"]

Resource = FederatedJob | PrivacyBudget

_KINDS: dict[str, type[FederatedJob] | type[PrivacyBudget]] = {
    "FederatedJob": FederatedJob,
    "PrivacyBudget": PrivacyBudget,
}


@dataclass(frozen=True)
class Manifests:
    """The resources of some files, in their order."""

    jobs: tuple[FederatedJob, ...]
    budgets: tuple[PrivacyBudget, ...]
    where: str = ""

    def job(self) -> FederatedJob:
        """The only job. Raises InvalidManifest when there is none or more than one."""
        if len(self.jobs) == 1:
            return self.jobs[0]
        named = f" ({', '.join(job.metadata.name for job in self.jobs[:5])})" if self.jobs else ""
        found = f"{len(self.jobs)} FederatedJobs{named}" if self.jobs else "no FederatedJob"
        raise InvalidManifest(f"expected one FederatedJob, found {found}", where=self.where)

    def budget(self, ref: BudgetRef) -> PrivacyBudget:
        """The budget that `ref` names. Raises InvalidManifest, with the nearest one there is, when it is not here."""
        here = {f"{budget.metadata.namespace}/{budget.metadata.name}": budget for budget in self.budgets}
        wanted = f"{ref.namespace}/{ref.name}"
        if wanted in here:
            return here[wanted]
        near = suggestion(wanted, list(here))
        remedy = f"did you mean {near}?" if near else "name the file that holds it"
        raise InvalidManifest(f"no PrivacyBudget {wanted} among the manifests", where=self.where, remedy=remedy)


def load_manifests(paths: Sequence[Path]) -> Manifests:
    """All resources of the files. Raises InvalidManifest: file, document, field path, reason, nearest spelling."""
    found: list[Resource] = []
    places: dict[tuple[str, str, str], str] = {}
    for path in paths:
        for resource, where in _resources(path):
            name = (resource.kind, resource.metadata.namespace, resource.metadata.name)
            if name in places:
                raise InvalidManifest(
                    f"{' '.join(name)} is already in {places[name]}", where=where, remedy="keep one of them"
                )
            places[name] = where
            found.append(resource)
    return Manifests(
        jobs=tuple(resource for resource in found if isinstance(resource, FederatedJob)),
        budgets=tuple(resource for resource in found if isinstance(resource, PrivacyBudget)),
        where=", ".join(str(path) for path in paths),
    )


def _resources(path: Path) -> Iterator[tuple[Resource, str]]:
    values = list(documents(read_file(path), str(path)))
    if not values:
        raise InvalidManifest("holds no document", where=str(path))
    for number, value in enumerate(values, start=1):
        where = str(path) if len(values) == 1 else f"{path} document {number}"
        if isinstance(value, dict) and value.get("apiVersion") == f"{RBAC}/v1":
            continue  # an owner's bindings mean nothing on a laptop
        yield parse_document(value, where), where


def parse_document(document: object, where: str) -> Resource:
    """One document as a resource. Raises InvalidManifest with all its faults on one line, and nothing else."""
    if not isinstance(document, dict):
        raise InvalidManifest(
            f"document: must be a mapping with apiVersion and kind, found {show(document)}", where=where
        )
    faults = not_json(document)
    if faults:
        raise InvalidManifest(join(faults), where=where)
    model = _model(document, where)
    try:
        # As JSON text, so that a list is a tuple and nothing else is converted: 1 is no string and "1" no number.
        return model.model_validate_json(json.dumps(document), by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidManifest(join(describe(error, model)), where=where) from error


def _model(document: dict[str, Any], where: str) -> type[FederatedJob] | type[PrivacyBudget]:
    version, kind = document.get("apiVersion"), document.get("kind")
    faults = []
    if version != API_VERSION:
        found = f"must be {API_VERSION}, found {show(version)}" if "apiVersion" in document else "is required"
        faults.append(f"apiVersion: {found}")
    if not isinstance(kind, str) or kind not in _KINDS:
        near = suggestion(kind, list(_KINDS)) if isinstance(kind, str) else None
        found = f"must be {' or '.join(_KINDS)}, found {show(kind)}" if "kind" in document else "is required"
        faults.append(f"kind: {found}" + (f", did you mean {near}?" if near else ""))
    if faults:
        raise InvalidManifest(join(faults), where=where)
    return _KINDS[str(kind)]
