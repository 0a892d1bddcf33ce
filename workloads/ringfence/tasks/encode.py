"""Rows of a dataset -> the tensors a model trains on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.tasks.faults import task_step
from ringfence.tasks.task import Task

BATCH_RECORDS = 65536


def encode_table(task: Task, table: pa.Table, schema: DatasetSchema) -> dict[str, Tensor]:
    """Tensors [N, ...] for the N rows of a clean table, encoded in batches of 65536 rows.

    The peak is the result and one batch. Raises InvalidTask, without any value of a row, when the task's `encode` fails
    or its batches do not fit together.
    """
    records = table.num_rows
    result: dict[str, Tensor] = {}
    for start in range(0, max(records, 1), BATCH_RECORDS):
        part = encode_batch(task, as_batch(table.slice(start, BATCH_RECORDS)), schema, show_text=False)
        if not result:
            result = {
                name: torch.empty((records, *values.shape[1:]), dtype=values.dtype) for name, values in part.items()
            }
        if _frames(part) != _frames(result):
            raise InvalidTask("encode gives other names, types or shapes for another batch", where=name_of(task))
        for name, values in part.items():
            result[name][start : start + len(values)] = values
    return result


def encode_batch(task: Task, rows: Rows, schema: DatasetSchema, *, show_text: bool) -> dict[str, Tensor]:
    """One batch, as tensors [B, ...]; float64 becomes float32, as models are."""
    where = name_of(task)
    with task_step("encode", where, show_text=show_text):
        encoded = task.encode(rows, schema)
    if not isinstance(encoded, Mapping) or not encoded:
        raise InvalidTask(f"encode returns {_kind(encoded)}, not a dict of arrays or tensors", where=where)
    return {str(name): _tensor(str(name), values, rows.num_rows, where) for name, values in encoded.items()}


def as_batch(table: pa.Table) -> pa.RecordBatch:
    """The rows of a table as one record batch."""
    arrays = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def name_of(task: Task) -> str:
    """`module:Class` of a task."""
    return f"{type(task).__module__}:{type(task).__qualname__}"


def _tensor(name: str, values: Any, records: int, where: str) -> Tensor:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "fiub":
            raise InvalidTask(f"encode gives {name!r} as an array of {values.dtype}, not of numbers", where=where)
        tensor = torch.tensor(values)
    elif isinstance(values, Tensor):
        tensor = values.detach()
    else:
        raise InvalidTask(f"encode gives {name!r} as {_kind(values)}, not an array or a tensor", where=where)
    if tensor.ndim == 0 or len(tensor) != records:
        raise InvalidTask(
            f"encode gives {name!r} with shape {list(tensor.shape)} for {records} rows",
            where=where,
            remedy="the first dimension is the record",
        )
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _frames(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    return {name: (values.dtype, tuple(values.shape[1:])) for name, values in tensors.items()}
