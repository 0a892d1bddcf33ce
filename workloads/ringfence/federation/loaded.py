"""A trained model, read back from its output URL."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa
import torch

from ringfence.errors import InvalidInput
from ringfence.federation import layout
from ringfence.federation.job_code import stored_code
from ringfence.schema import DatasetSchema
from ringfence.store.open import Stores
from ringfence.tasks import Task
from ringfence.tasks.encode import encode_table
from ringfence.tasks.load import load_task
from ringfence.training.flat import FlatModel
from ringfence.training.personal import is_personal, worked_out

_BATCH = 65536


@dataclass(frozen=True)
class LoadedModel:
    """A trained model with its task and declared schema."""

    task: Task
    module: torch.nn.Module
    schema: DatasetSchema

    def predict(self, rows: pa.Table, given: pa.Table | None = None) -> torch.Tensor:
        """The task's prediction for every row of a clean table, [N].

        A task that works something out by user (`Recommender`) predicts for one user at a time: `given` are the rows
        that the user is known by; the target of `rows` is not looked at, but must be there.
        """
        data = encode_table(self.task, rows, self.schema)
        if is_personal(self.task):
            if given is None:
                raise InvalidInput("this task needs the rows that the user is known by", remedy="predict(rows, given)")
            known = worked_out(self.task, self.module, encode_table(self.task, given, self.schema))
            data |= {name: value.expand(rows.num_rows, *value.shape) for name, value in known.items()}
        with torch.inference_mode():
            parts = [
                self.task.predict(self.module, {name: tensor[start : start + _BATCH] for name, tensor in data.items()})
                for start in range(0, rows.num_rows, _BATCH)
            ]
        return torch.cat(parts)


def load(url: str, stores: Stores | None = None) -> LoadedModel:
    """The model under a job's output URL. Runs the task's code, whose digest the job's config names.

    Raises ObjectNotFound, InvalidTask, CodeNotApproved, InvalidInput.
    """
    store = (stores or Stores()).open(url)
    try:
        config = json.loads(store.get(layout.CONFIG))
        schema = DatasetSchema.model_validate(config["schema"])
        class_path, args, digest = config["task"]["class"], config["task"]["args"], config["task"]["code"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("not a model's config", where=f"{url}/{layout.CONFIG}") from error
    task = load_task(class_path, args, stored_code(store, digest))
    model = FlatModel(task.model(schema))
    model.load_bytes(store.get(layout.MODEL))
    model.module.eval()
    return LoadedModel(task, model.module, schema)
