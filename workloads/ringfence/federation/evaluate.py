"""Scores of a model on a hold-out that its owner sealed as public.

Nothing here may see a private row: a score is a release. Figures are decimal strings, as signed documents hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from ringfence.errors import InvalidInput
from ringfence.schema import DatasetSchema
from ringfence.tasks import Task

_BATCH = 65536
Array = NDArray[np.float64]


def check_metrics(metrics: Sequence[str], schema: DatasetSchema) -> None:
    """Raises InvalidInput, naming metric and target, for a score that the declared target cannot have."""
    target = schema.target_column
    classes = len(target.classes) if target else 0
    found = "no target is declared" if target is None else f"the target {target.name!r} is {target.type}"
    needs = {
        "auc": (classes == 2, "a target of two classes"),
        "accuracy": (classes >= 2, "a target of classes"),
        "rmse": (target is not None and target.ranged, "a target that is a number"),
        "mae": (target is not None and target.ranged, "a target that is a number"),
    }
    for metric in metrics:
        possible, needed = needs.get(metric, (True, ""))
        if not possible:
            raise InvalidInput(
                f"{metric} needs {needed}, but {found}",
                where="spec.evaluation.metrics",
                remedy="choose among auc, accuracy (classes), rmse, mae (numbers) and loss (any task)",
            )


def evaluate(
    task: Task,
    model: torch.nn.Module,
    data: Mapping[str, torch.Tensor],
    target: NDArray[np.float32] | None,
    metrics: Sequence[str],
) -> dict[str, str]:
    """`metrics` of the model on encoded rows `data` (first dimension = records).

    `target` [N] holds 0 and 1, class positions, or numbers in their unit; None where the schema declares none, which
    leaves `loss`.
    """
    predictions, losses = [], []
    with torch.inference_mode():
        for start in range(0, len(next(iter(data.values()))), _BATCH):
            batch = {name: tensor[start : start + _BATCH] for name, tensor in data.items()}
            predictions.append(task.predict(model, batch))
            losses.append(task.loss(model, batch))
    loss = torch.cat(losses).double().numpy()
    predicted = torch.cat(predictions).double().numpy()
    truth = np.asarray(target, dtype=np.float64) if target is not None else np.empty(0)
    return {name: f"{_MEASURES[name](predicted, truth, loss):.6f}" for name in metrics}


def auc(score: Array, target: Array) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted half (Mann-Whitney U).

    Raises InvalidInput when the hold-out holds one class only.
    """
    positive = target > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if ones == 0 or zeros == 0:
        raise InvalidInput("AUC needs both classes in the hold-out", remedy="evaluate on another dataset or metric")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def accuracy(predicted: Array, target: Array) -> float:
    """Share of records whose likeliest class is the right one: [N] logits of class 1, or [N, K] logits."""
    likeliest = (predicted > 0) if predicted.ndim == 1 else predicted.argmax(axis=1)
    return float(np.mean(likeliest == target))


_MEASURES: dict[str, Callable[[Array, Array, Array], float]] = {
    "auc": lambda predicted, target, loss: auc(predicted, target),
    "accuracy": lambda predicted, target, loss: accuracy(predicted, target),
    "rmse": lambda predicted, target, loss: float(np.sqrt(np.mean((predicted - target) ** 2))),
    "mae": lambda predicted, target, loss: float(np.mean(np.abs(predicted - target))),
    "loss": lambda predicted, target, loss: float(np.mean(loss)),
}
