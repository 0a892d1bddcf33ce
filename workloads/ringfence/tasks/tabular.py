"""Classification of records with numeric and categorical columns.

Needs a declared target with two classes or more (boolean, category, or an integer from 0 to 1). Released: the weights.
Not protected: what the schema declares, and the number of records.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.tasks.nets import Widths
from ringfence.tasks.task import Batch, Encoded, Task


class TabularClassifier(Task):
    """Logistic regression (`hidden: []`) or a multi-layer perceptron over scaled numbers and embedded categories.

    `hidden`: widths of the hidden layers, default [64, 32]. `embedding_dim`: numbers a category column is embedded in,
    default 8, never more than it has values. Two classes are predicted by one logit, K > 2 classes by K.
    """

    def __init__(self, hidden: Sequence[int] = (64, 32), embedding_dim: int = 8) -> None:
        self.widths = Widths.of(hidden, embedding_dim)

    def model(self, schema: DatasetSchema) -> nn.Module:
        classes = classes_of(schema, "TabularClassifier")
        return self.widths.net(schema, outputs=1 if classes == 2 else classes)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        return {
            "numbers": schema.scaled(rows, schema.numeric),
            "codes": schema.codes(rows),
            "target": schema.target(rows),
        }

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        logits: Tensor = model(batch["numbers"], batch["codes"])
        return logits

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return classification_loss(self.predict(model, batch), batch["target"])


def classes_of(schema: DatasetSchema, task: str) -> int:
    """How many classes the target has. Raises InvalidTask, in the name of `task`, unless it has two or more."""
    target = schema.target_column
    if target is None or len(target.classes) < 2:
        found = "none is declared" if target is None else f"{target.name!r} is {target.type}"
        raise InvalidTask(
            f"{task} needs a target of two classes or more, but {found}",
            remedy="declare it boolean, a category, or an integer from 0 to 1; TabularRegressor predicts numbers",
        )
    return len(target.classes)


def classification_loss(logits: Tensor, target: Tensor) -> Tensor:
    """[B]: the negative log likelihood of the classes `target` [B] under `logits`, [B] for two classes or [B, K]."""
    if logits.ndim == 1:
        return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return functional.cross_entropy(logits, target.long(), reduction="none")
