"""Federated training with privacy budgets that cannot be overspent.

    plan = ringfence.plan(["job.yaml", "budgets.yaml"])        # what it would cost every dataset
    run = ringfence.run(["job.yaml", "budgets.yaml"], keys="keys")
    run.metrics, run.model()
    model = ringfence.load("s3://research/models/<job uid>")

Importing this package imports nothing else; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringfence.api import load, plan, run

__version__ = "0.1.0"
__all__ = ["__version__", "load", "plan", "run"]


def __getattr__(name: str) -> Any:
    if name in ("load", "plan", "run"):
        return getattr(import_module("ringfence.api"), name)
    raise AttributeError(f"module 'ringfence' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
