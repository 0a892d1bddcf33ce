"""Terms of use: what an owner declares about the use of a dataset, signed in its manifest.

Terms bind beside the PrivacyBudget: a job must satisfy both, so the stricter of the two wins. Whatever terms leave out
they do not restrict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field, ValidationError, field_validator

from ringfence.errors import InvalidInput
from ringfence.schema.spelling import hint
from ringfence.shards.strict import Strict

if TYPE_CHECKING:
    from ringfence.spec.job import FederatedJob

_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Label = Annotated[str, Field(pattern=_LABEL)]
Labels = Annotated[tuple[Label, ...], Field(max_length=100)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]


class Terms(Strict):
    """Declared terms. Names are RFC 1123 labels, as in a FederatedJob.

    `purposes`, `consumers` (namespaces) and `residency` (regions) are the ones allowed; () allows any. `opt_outs` are
    purposes that people in the data have objected to: never allowed, whatever `purposes` says. `retain_until` is the
    last day (UTC) on which the rows may be opened, YYYY-MM-DD. `legal_basis` and `licence` are the owner's words.
    """

    purposes: Labels = ()
    opt_outs: Labels = ()
    consumers: Labels = ()
    residency: Labels = ()
    retain_until: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    legal_basis: Words | None = None
    licence: Words | None = None

    @field_validator("retain_until")
    @classmethod
    def _is_a_day(cls, day: str | None) -> str | None:
        if day is not None:
            date.fromisoformat(day)
        return day

    def expired(self, now: datetime) -> bool:
        """Whether the last day of retention is over."""
        return self.retain_until is not None and now.astimezone(UTC).date() > date.fromisoformat(self.retain_until)


def refusals(terms: Terms | None, job: FederatedJob, now: datetime) -> dict[str, str]:
    """Every clause that forbids `job` at the time `now`, with the words for it; empty when the terms allow it. Pure."""
    if terms is None:
        return {}
    spec, found = job.spec, dict[str, str]()
    purpose = spec.purpose or "(none)"
    if terms.purposes and spec.purpose not in terms.purposes:
        found["purposes"] = f"purpose {purpose} is not among {', '.join(terms.purposes)}"
    if spec.purpose in terms.opt_outs:
        found["optOuts"] = f"people in the data have objected to purpose {purpose}"
    elif terms.opt_outs and spec.purpose is None:
        found["optOuts"] = f"the job names no purpose, and {', '.join(terms.opt_outs)} is objected to"
    if terms.consumers and job.metadata.namespace not in terms.consumers:
        found["consumers"] = f"namespace {job.metadata.namespace} is not among {', '.join(terms.consumers)}"
    if terms.residency and spec.region not in terms.residency:
        found["residency"] = f"region {spec.region or '(none)'} is not among {', '.join(terms.residency)}"
    if terms.expired(now):
        found["retainUntil"] = f"the rows may not be opened after {terms.retain_until}"
    elif terms.expired(now + timedelta(seconds=spec.active_deadline_seconds or 0)):
        late = "set a shorter activeDeadlineSeconds"
        found["retainUntil"] = f"the job may last until after {terms.retain_until}: {late}"
    return {clause: f"clause {clause}: {words}" for clause, words in found.items()}


def load_terms(path: Path) -> Terms:
    """The terms in a YAML file, with the names of the fields as in a manifest resource (`retainUntil`).

    Raises InvalidInput with the file, the field and the nearest right spelling.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - only text
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})", where=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput("is not YAML", where=str(path)) from error
    if not isinstance(document, Mapping):
        raise InvalidInput("terms are a mapping of clauses", where=str(path), remedy=f"of {', '.join(_CLAUSES)}")
    unknown = next((name for name in document if name not in _CLAUSES), None)
    if unknown is not None:
        remedy = hint(str(unknown), _CLAUSES)
        raise InvalidInput(f"unknown clause {str(unknown)[:60]!r}", where=str(path), remedy=remedy)
    try:
        return Terms.model_validate_json(json.dumps({_CLAUSES[name]: value for name, value in document.items()}))
    except ValidationError as error:
        fault = error.errors()[0]
        name = next((clause for clause, field in _CLAUSES.items() if fault["loc"] and field == fault["loc"][0]), "")
        message = fault["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"clause {name}: {message}", where=str(path)) from None


def words(terms: Terms) -> list[str]:
    """One line a clause, for people."""
    found = {clause: getattr(terms, field) for clause, field in _CLAUSES.items()}
    listed = {clause: ", ".join(value) if isinstance(value, tuple) else value for clause, value in found.items()}
    return [f"{clause}: {value}" for clause, value in listed.items() if value]


_CLAUSES = {
    "purposes": "purposes",
    "optOuts": "opt_outs",
    "consumers": "consumers",
    "residency": "residency",
    "retainUntil": "retain_until",
    "legalBasis": "legal_basis",
    "licence": "licence",
}
