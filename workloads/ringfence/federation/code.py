"""A folder of one's own code, tried or run from this machine."""

from __future__ import annotations

from pathlib import Path

from ringfence.acceptance.code import Code, resolve_code
from ringfence.errors import CodeNotApproved
from ringfence.spec.job import FederatedJob
from ringfence.store.open import Stores


def find_code(job: FederatedJob, stores: Stores, folder: Path | None) -> Code:
    """`folder` packed, else what the job names. Raises CodeNotApproved when both are given and differ."""
    if folder is None:
        return resolve_code(job, stores)
    from ringfence.tasks.package import package  # torch comes with it, and planning does without

    data, packed = package(folder)
    named = job.spec.task.code
    digest = named.rpartition("@")[2] if named else packed
    if packed != digest:
        raise CodeNotApproved(f"{folder} packs to {packed}, the job names {digest}", where="spec.task.code")
    return Code(packed, data)
