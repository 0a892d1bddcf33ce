"""The class a user writes to train something of their own; nothing else of Ringfence needs reading for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from ringfence.schema import DatasetSchema, Rows
from ringfence.spec.job import FederatedJobSpec

Batch: TypeAlias = Mapping[str, Tensor]  # as `encode` made it: the first dimension of each tensor is the record
Encoded: TypeAlias = Mapping[str, Tensor | npt.NDArray[np.generic]]


class Task(ABC):
    """A model, how rows become tensors, and a loss for each record. B is the number of records in a batch.

    The constructor's arguments are `spec.task.args` of the job. What it must keep to is what makes a privacy guarantee
    possible, and all of it is probed on invented rows before anything is reserved:

    - `model` and `encode` look at the declared schema only; nothing is measured on rows.
    - `encode` treats each row by itself: no mean, sorting or vocabulary over the batch.
    - `loss` gives one value a record, which depends on that record alone: no BatchNorm, no mean over the batch.
    """

    def check(self, spec: FederatedJobSpec) -> None:  # noqa: B027 - most tasks suit every job
        """Raises InvalidTask for a job that this task cannot be trained by; asked before anything is reserved."""

    @abstractmethod
    def model(self, schema: DatasetSchema) -> nn.Module:
        """A freshly initialised model; its parameters are floating point and all of them take part in the loss."""

    @abstractmethod
    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        """Clean Arrow rows -> named arrays or tensors [B, ...], row by row.

        `schema.scaled(rows)`, `schema.codes(rows)` and `schema.target(rows)` do it by declared constants.
        """

    def personal(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """What a user works out from all of its own rows `batch` [n, ...], n >= 0, and the round's model.

        Only for unit User; by default nothing. Each tensor is put beside every row of the user, [B, ...] under its
        name, for `loss` and `predict`; it never leaves the user's step, and the steps do not change it.
        """
        return {}

    @abstractmethod
    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """[B]: one number a record: the logit of class 1 for two classes, else a number in the target's unit.

        For a target of K > 2 classes [B, K]: one logit a class, in the order of `target_column.classes`.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """[B]: one value a record, as `reduction="none"` gives it."""
