"""Whether a task holds together, tried on rows invented from the declared schema: no key, no charge, no secret.

What is probed is what the guarantee rests on: a record's loss depends on that record alone, so that clipping its
gradient bounds its influence. A probe finds mistakes; it does not prove the absence of malice, which is why owners
approve code by digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ringfence.schema import DatasetSchema
from ringfence.tasks.encode import as_batch, name_of
from ringfence.tasks.probe_model import build_model, check_gradients
from ringfence.tasks.probe_records import (
    check_encoding,
    check_independence,
    check_loss,
    check_predictions,
    with_own,
)
from ringfence.tasks.synthetic import synthetic_rows
from ringfence.tasks.task import Task

RECORDS = 16


@dataclass(frozen=True)
class ProbeResult:
    """`parameters`: numbers in the model; `trained`: those with gradients; `inputs`: one record's shape by name."""

    parameters: int
    trained: int
    inputs: Mapping[str, tuple[int, ...]]


def probe(task: Task, schema: DatasetSchema, *, seed: int = 0) -> ProbeResult:
    """Builds the model, encodes invented rows, and checks shapes, gradients and that no record touches another.

    Raises InvalidTask in one line at the first fault. PyTorch's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(task, schema)
        batch = check_encoding(task, as_batch(synthetic_rows(schema, RECORDS, seed)), schema)
        others = check_encoding(task, as_batch(synthetic_rows(schema, RECORDS, seed + 1)), schema)
        batch, others = with_own(task, model, batch), with_own(task, model, others)
        target = schema.target_column
        check_predictions(task, model, batch, len(target.classes) if target else None)
        losses = check_loss(task, model, batch)
        check_gradients(model, losses, name_of(task))
        check_independence(task, model, batch, others)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return ProbeResult(
        parameters=sum(size for size, _ in sizes),
        trained=sum(size for size, trained in sizes if trained),
        inputs={name: tuple(values.shape[1:]) for name, values in batch.items()},
    )
