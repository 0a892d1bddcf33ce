"""A job's code package, as it was copied beside the job at acceptance."""

from __future__ import annotations

from ringfence import canonical
from ringfence.errors import CodeNotApproved
from ringfence.federation import layout
from ringfence.privacy.admission import BUILTIN
from ringfence.store.interface import Store


def stored_code(job: Store, digest: str) -> bytes | None:
    """The package of that digest under the job's output, or None for `builtin`.

    Raises CodeNotApproved when what lies there has another digest, ObjectNotFound when nothing does.
    """
    if digest == BUILTIN:
        return None
    key = layout.code(digest)
    data = job.get(key)
    if canonical.digest(data) != digest:
        raise CodeNotApproved("the code package is not the approved one", where=f"{job.url}/{key}")
    return data
