"""Scores of a model on a hold-out that its owner sealed as public.

Nothing here may see a private row: a score is a release. Figures are decimal strings, as signed documents hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from ringfence.errors import InvalidInput
from ringfence.tasks import Task

_BATCH = 65536


def evaluate(
    task: Task,
    model: torch.nn.Module,
    data: Mapping[str, torch.Tensor],
    target: NDArray[np.float32],
    metrics: list[str],
) -> dict[str, str]:
    """`metrics` of the model on encoded rows `data` (first dimension = records) with labels `target` [N] in {0, 1}."""
    records = len(target)
    scores, losses = [], []
    with torch.inference_mode():
        for start in range(0, records, _BATCH):
            batch = {name: tensor[start : start + _BATCH] for name, tensor in data.items()}
            scores.append(task.predict(model, batch))
            losses.append(task.loss(model, batch))
    score = torch.cat(scores).double().numpy()
    loss = torch.cat(losses).double().numpy()
    measures: dict[str, Callable[[], float]] = {
        "auc": lambda: auc(score, target),
        "accuracy": lambda: float(np.mean((score > 0) == (target > 0.5))),
        "loss": lambda: float(np.mean(loss)),
    }
    return {name: f"{measures[name]():.6f}" for name in metrics}


def auc(score: NDArray[np.float64], target: NDArray[np.float32]) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted half (Mann-Whitney U).

    Raises InvalidInput when the hold-out holds one class only.
    """
    positive = target > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if ones == 0 or zeros == 0:
        raise InvalidInput("AUC needs both classes in the hold-out", remedy="evaluate on another dataset or metric")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
