"""The public Python API: what `ringfence plan`, `run` and `pull` do, as functions.

Manifests are given as paths of YAML files, or as FederatedJob and PrivacyBudget objects, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ringfence.spec import FederatedJob, Manifests, PrivacyBudget, load_manifests

if TYPE_CHECKING:
    from ringfence.federation.foresee import DatasetPlan
    from ringfence.federation.loaded import LoadedModel
    from ringfence.federation.run import RunResult

Manifest: TypeAlias = str | PathLike[str] | FederatedJob | PrivacyBudget
Folder: TypeAlias = str | PathLike[str] | None


def plan(manifests: Manifest | Iterable[Manifest], *, store: Folder = None, code: Folder = None) -> list[DatasetPlan]:
    """What the job would cost every dataset and whether it would be admitted, one entry a silo; writes nothing.

    Raises the errors of `ringfence.errors` for what would be refused before the budget is asked.
    """
    from ringfence.federation.foresee import plan_job

    return plan_job(_gathered(manifests), store=_path(store), code=_path(code))


def run(
    manifests: Manifest | Iterable[Manifest],
    *,
    keys: Folder = None,
    store: Folder = None,
    code: Folder = None,
    resume: bool = False,
) -> RunResult:
    """Run the job on this machine to its end; `metrics` and `model()` of the result are what came of it.

    Raises the errors of `ringfence.errors`. Needs `ringfence[train]`.
    """
    from ringfence.federation.run import RunOptions, run_job

    options = RunOptions(keys=_path(keys), store=_path(store), code=_path(code), resume=resume)
    return run_job(_gathered(manifests), options)


def load(url: str, *, store: Folder = None) -> LoadedModel:
    """The trained model under `<output>/<job uid>`, ready to predict. Runs the task's code that its config names."""
    from ringfence.federation.loaded import load as load_model
    from ringfence.store import Stores

    return load_model(url, Stores(_path(store)))


def _gathered(manifests: Manifest | Iterable[Manifest]) -> Manifests:
    one = isinstance(manifests, str | PathLike | FederatedJob | PrivacyBudget)
    given = [manifests] if one else list(manifests)  # type: ignore[arg-type]
    jobs = [item for item in given if isinstance(item, FederatedJob)]
    budgets = [item for item in given if isinstance(item, PrivacyBudget)]
    paths = [Path(item) for item in given if isinstance(item, str | PathLike)]
    read = load_manifests(paths) if paths else Manifests((), ())
    return Manifests((*jobs, *read.jobs), (*budgets, *read.budgets))


def _path(folder: Folder) -> Path | None:
    return None if folder is None else Path(folder)
