"""Representation of records without labels, and a score of how unusual a record is.

Needs features only; a declared target is not looked at. Released: the weights. Not protected: what the schema declares,
and the number of records. An unusual record is hard to reconstruct: with privacy the model cannot have learned it by
heart, which is what makes its score mean something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.tasks.nets import Features, Widths, check_tabular, perceptron
from ringfence.tasks.task import Batch, Encoded, Task


class Autoencoder(Task):
    """A record through `code_dim` numbers and back (Hinton and Salakhutdinov 2006).

    The loss of a record is the mean over its columns: squared error of a scaled number, negative log likelihood of a
    category divided by that of guessing. `predict` is that loss, the record's anomaly score. `hidden` are the widths of
    the encoder; the decoder mirrors them.
    """

    def __init__(self, hidden: Sequence[int] = (64,), code_dim: int = 8, embedding_dim: int = 8) -> None:
        self.widths = Widths.of(hidden, embedding_dim)
        if type(code_dim) is not int or not 1 <= code_dim <= 4096:
            raise InvalidTask(f"code_dim is a whole number from 1 to 4096, not {str(code_dim)[:40]!r}")
        self.code_dim = code_dim

    def model(self, schema: DatasetSchema) -> nn.Module:
        return AutoencoderNet(schema, self.widths, self.code_dim)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        return {"numbers": schema.scaled(rows, schema.numeric), "codes": schema.codes(rows)}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.loss(model, batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        numbers, codes = batch["numbers"], batch["codes"]
        values, logits = model(numbers, codes)
        errors = [(values - numbers) ** 2]
        for position, guess in enumerate(logits):
            surprise = functional.cross_entropy(guess, codes[:, position], reduction="none")
            errors.append((surprise / math.log(max(guess.shape[1], 2))).unsqueeze(1))
        return torch.cat(errors, dim=1).mean(dim=1)


class AutoencoderNet(nn.Module):
    """Numbers [B, n] and codes [B, c] -> numbers [B, n] and, for each category column, logits [B, its values]."""

    def __init__(self, schema: DatasetSchema, widths: Widths, code_dim: int) -> None:
        super().__init__()
        check_tabular(schema)
        vocabularies = [len(column.values) for column in schema.categorical]
        self.features = Features(len(schema.numeric), vocabularies, widths.embedding_dim)
        self.sizes = [len(schema.numeric), *vocabularies]
        self.encoder = perceptron(self.features.width, widths.hidden, code_dim)
        self.decoder = perceptron(code_dim, widths.hidden[::-1], sum(self.sizes))

    def represent(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """[B, code_dim]: what stands for the record."""
        code: Tensor = self.encoder(self.features(numbers, codes))
        return code

    def forward(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, list[Tensor]]:
        values, *logits = torch.split(self.decoder(torch.tanh(self.represent(numbers, codes))), self.sizes, dim=1)
        return values, logits
