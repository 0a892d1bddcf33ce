"""Which code a job would run: built in, or a package by digest."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import canonical
from ringfence.errors import CodeNotApproved, InvalidManifest
from ringfence.privacy.admission import BUILTIN
from ringfence.spec.job import FederatedJob
from ringfence.store.open import Stores

_BUILTIN_MODULE = "ringfence.tasks"


@dataclass(frozen=True)
class Code:
    """The task's code: `builtin`, or the digest of a package with its bytes."""

    digest: str = BUILTIN
    data: bytes | None = None


def resolve_code(job: FederatedJob, stores: Stores) -> Code:
    """The code that would run: the package that the job names, else built in.

    Raises CodeNotApproved when the package is not what its digest says, InvalidManifest for a task that nobody gave.
    """
    named = job.spec.task.code
    url, _, digest = named.rpartition("@") if named else ("", "", "")
    if named:
        folder, _, name = url.rpartition("/")
        data = stores.open(folder).get(name)
        if canonical.digest(data) != digest:
            raise CodeNotApproved(f"the package is {canonical.digest(data)}, the job names {digest}", where=url)
        return Code(digest, data)
    if job.spec.task.class_.partition(":")[0] != _BUILTIN_MODULE:
        raise InvalidManifest(
            f"{job.spec.task.class_} is not a built-in task",
            where="spec.task.class",
            remedy="give its code: --code DIR, or spec.task.code",
        )
    return Code()
