"""Few labels, many rows: a private teacher labels rows that are public, and a student learns from its labels.

For a silo that could label a few of its records, beside a large pool of rows that nobody's privacy rests on and that
nobody has labelled. First a job trains the teacher on the labelled rows, behind their budgets. Then a job with this
task trains the student on the pool, sealed as public. Needs the features that the teacher's schema declares; a target
may be absent and is not looked at. Released: the student's weights.

Only the teacher is charged, because what is computed from public rows and a model that was released with privacy tells
no more of the teacher's rows than the teacher does: differential privacy is closed under post-processing (Dwork and
Roth 2014, proposition 2.1; so do students learn in PATE, Papernot et al. 2017, arXiv:1610.05755). That holds for a
public pool alone: training on a private one releases what was computed from its own rows. So a job on rows behind a
budget is refused. Not protected: the pool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema, Rows
from ringfence.schema.arrays import arrow_type
from ringfence.tasks.encode import encode_batch
from ringfence.tasks.load import load_task
from ringfence.tasks.tabular import classes_of
from ringfence.tasks.task import Batch, Encoded, Task

if TYPE_CHECKING:
    from ringfence.spec.job import FederatedJobSpec

_BLOCK = 4096  # rows that the teacher labels at once


class PseudoLabels(Task):
    """A student of the teacher's kind that learns the teacher's probabilities (Hinton et al. 2015, arXiv:1503.02531).

    `teacher` is the folder that `ringfence pull` made of a classifier of this release, `digest` what `sha256sum
    model.safetensors` prints in it, as sha256:...; `student` are the arguments of the student's task, by default the
    teacher's. The loss of a record is the cross entropy between both models' probabilities.
    """

    def __init__(self, teacher: str, digest: str, student: Mapping[str, Any] | None = None) -> None:
        config, weights = _read(Path(str(teacher)), str(digest))
        try:
            self.schema = DatasetSchema.model_validate(config["schema"])
            kind, arguments, code = config["task"]["class"], config["task"]["args"], config["task"]["code"]
        except (ValidationError, KeyError, TypeError) as error:
            raise InvalidTask("the teacher's config.json is not a model's config", where=str(teacher)) from error
        if code != "builtin":
            raise InvalidTask("a teacher of a task of one's own cannot label", where=str(teacher))
        classes_of(self.schema, "PseudoLabels")
        teaching = load_task(kind, arguments)
        self.inner = load_task(kind, arguments if student is None else dict(student))
        self.teacher = _loaded(teaching, self.schema, weights, str(teacher))

    def check(self, spec: FederatedJobSpec) -> None:
        private = [silo.name for silo in spec.silos if silo.budget_ref is not None]
        if private:
            message = f"PseudoLabels trains on rows sealed as public, and silo {private[0]!r} is behind a budget"
            raise InvalidTask(message, remedy="name a public dataset; private rows with labels are the teacher's")

    def model(self, schema: DatasetSchema) -> nn.Module:
        found = _features(self.schema).compatible(_features(schema))
        if found:
            raise InvalidTask(f"the teacher knows other columns: {'; '.join(found[:3])}")
        return self.inner.model(self.schema)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        labelled = _with_target(rows, self.schema)
        seen = encode_batch(self.inner, labelled, self.schema, show_text=False)
        return {**seen, "target": self._labels(labelled)}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.inner.predict(model, batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits, labels = self.predict(model, batch), batch["target"]
        if logits.ndim == 1:
            return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return functional.cross_entropy(logits, labels, reduction="none")

    @torch.no_grad()
    def _labels(self, rows: Rows) -> Tensor:
        """The teacher's probabilities: [B] of class 1 for two classes, else [B, K]."""
        task, model = self.teacher
        parts = []
        for start in range(0, max(rows.num_rows, 1), _BLOCK):
            logits = task.predict(model, encode_batch(task, rows.slice(start, _BLOCK), self.schema, show_text=False))
            parts.append(torch.sigmoid(logits) if logits.ndim == 1 else torch.softmax(logits, dim=1))
        return torch.cat(parts)


def _read(folder: Path, digest: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json and the weights. Raises InvalidTask, naming the folder."""
    try:
        data = (folder / "model.safetensors").read_bytes()
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != digest:
            raise InvalidTask(f"the teacher has the digest {found}, not {digest[:80]}", where=str(folder))
        return json.loads((folder / "config.json").read_bytes()), load_tensors(data)
    except (OSError, ValueError, SafetensorError) as error:
        remedy = "fetch the model with `ringfence pull URL --output DIR`"
        raise InvalidTask("holds no model that can be read", where=str(folder), remedy=remedy) from error


def _loaded(task: Task, schema: DatasetSchema, weights: dict[str, Tensor], where: str) -> tuple[Task, nn.Module]:
    model = task.model(schema).eval().requires_grad_(False)
    parameters = dict(model.named_parameters())
    if {name: values.shape for name, values in weights.items()} != {name: p.shape for name, p in parameters.items()}:
        raise InvalidTask("the teacher's weights are not those of its task", where=where)
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])
    return task, model


def _features(schema: DatasetSchema) -> DatasetSchema:
    return schema.model_copy(update={"columns": schema.features})


def _with_target(rows: Rows, schema: DatasetSchema) -> pa.RecordBatch:
    """The features of `rows`, and a constant where the tasks look for a label."""
    target = next(column for column in schema.columns if column.role == "target")
    columns = {column.name: rows.column(column.name) for column in schema.features}
    columns = {name: one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for name, one in columns.items()}
    constant = pa.array([_constant(target)] * rows.num_rows, arrow_type(target))
    return pa.RecordBatch.from_pydict({**columns, target.name: constant})


def _constant(target: Column) -> bool | int | str:
    if target.type == "boolean":
        return False
    return 0 if target.ranged else target.values[0]
