"""The table of a task that only adds up, made from the released sums and from what is known of their noise."""

from __future__ import annotations

import math
from decimal import Decimal

from ringfence.acceptance.accepted import Participant
from ringfence.acceptance.units import weight
from ringfence.federation.finished import Finished
from ringfence.tasks.load import load_task
from ringfence.tasks.sums import Noise, Sums


def figures(finished: Finished) -> list[dict[str, str]] | None:
    """The rows of `Sums.figures`; None for a task that trains a model."""
    acceptance = finished.acceptance
    spec = acceptance.job.spec.task
    task = load_task(spec.class_, spec.args, acceptance.code.data)
    if not isinstance(task, Sums):
        return None
    schema = acceptance.participants[0].manifest.schema_
    return task.figures(finished.model.trainable.tolist(), schema, _noise(finished))


def _noise(finished: Finished) -> Noise:
    """The model is sum_k N_k cells_k / sum_k N_k over the silos that took part, so its N-fold is the sum of their sums,
    with independent noise of standard deviation sigma_k C on each."""
    members = [one for one in finished.acceptance.participants if one.silo in finished.commits[-1].members]
    units = sum(weight(finished.acceptance.job, one.manifest) for one in members)
    return Noise(units, math.sqrt(sum(_variance(one) for one in members)))


def _variance(one: Participant) -> float:
    """Of the noise on one silo's sum."""
    if one.plan is None:
        return 0.0
    return float((Decimal(one.plan.noise_multiplier) * Decimal(one.plan.max_grad_norm)) ** 2)
