"""Which code a job would run: built in, a package by digest, or a folder of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def resolve_code(job: FederatedJob, stores: Stores, code_dir: Path | None) -> Code:
    """The code that would run: a folder of one's own, else the package that the job names, else built in.

    Raises CodeNotApproved when folder and job name different digests, or the package is not what its digest says.
    """
    named = job.spec.task.code
    url, _, digest = named.rpartition("@") if named else ("", "", "")
    if code_dir is not None:
        from ringfence.tasks.package import package  # torch comes with it, and planning does without

        data, packed = package(code_dir)
        if named and packed != digest:
            raise CodeNotApproved(f"{code_dir} packs to {packed}, the job names {digest}", where="spec.task.code")
        return Code(packed, data)
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
