"""Which code a job would run: built in, or a package by digest."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ringfence import canonical
from ringfence.errors import CodeNotApproved, InvalidManifest
from ringfence.privacy.admission import BUILTIN
from ringfence.spec.job import FederatedJob
from ringfence.store.open import Stores

_BUILTIN_MODULE = "ringfence.tasks"
_BASE = "Task"


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
    module, _, name = job.spec.task.class_.partition(":")
    if module != _BUILTIN_MODULE or name not in builtin_tasks():
        raise InvalidManifest(
            f"{job.spec.task.class_} is not a built-in task",
            where="spec.task.class",
            remedy=f"name one of {', '.join(builtin_tasks())}"
            if module == _BUILTIN_MODULE
            else "give its code: --code DIR, or spec.task.code",
        )
    return Code()


@cache
def builtin_tasks() -> tuple[str, ...]:
    """Names of the built-in tasks, as their room's source lists them: the operator has no torch to import it with."""
    tree = ast.parse(files("ringfence").joinpath("tasks/__init__.py").read_text(encoding="utf-8"))
    (listed,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["__all__"]]
    return tuple(name for name in ast.literal_eval(listed) if name != _BASE)


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]
