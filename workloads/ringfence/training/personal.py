"""What a user works out for itself from all of its rows before its local steps, and keeps: `Task.personal`.

It is a function of the round's model and of this one user's rows, so it is part of what the clip on the user's whole
change bounds. It is never released: it lives as a tensor beside the user's rows for the length of a round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.tasks.task import Batch, Task
from ringfence.training.batches import RecordLoss, take
from ringfence.training.userplan import UserRows


def is_personal(task: RecordLoss) -> bool:
    """Whether the task works anything out by user."""
    return isinstance(task, Task) and type(task).personal is not Task.personal


def check_personal(task: RecordLoss, *, by_user: bool) -> None:
    """Raises InvalidTask for such a task where the unit is not the user: a record's loss would depend on others."""
    if is_personal(task) and not by_user:
        raise InvalidTask(
            f"{type(task).__name__} works something out from all rows of a user, so the unit must be the user",
            where="spec.local",
            remedy="seal the datasets with --unit User:COLUMN, and set local.usersPerRound or local.everybody: Users",
        )


def with_personal(task: RecordLoss, module: nn.Module, records: Batch, rows: UserRows, users: Sequence[int]) -> Batch:
    """`records` [N, ...], user after user, with what each of `users` worked out beside each of its rows.

    Rows of other users have zeros there. Raises InvalidTask for a name that `encode` gives too.
    """
    if not (isinstance(task, Task) and is_personal(task)):
        return records
    found: dict[str, Tensor] = {}
    for user in users:
        own = slice(int(rows.starts[user]), int(rows.starts[user + 1]))
        for name, value in worked_out(task, module, take(records, own)).items():
            if name not in found:
                found[name] = torch.zeros(int(rows.starts[-1]), *value.shape)
            found[name][own] = value
    return {**records, **found}


def worked_out(task: Task, module: nn.Module, own: Batch) -> dict[str, Tensor]:
    """`task.personal` of one user's rows, of which there may be none."""
    with torch.no_grad():
        found = {name: value.detach().clone() for name, value in task.personal(module, own).items()}
    twice = sorted(found.keys() & own.keys())
    if twice:
        raise InvalidTask(f"personal gives {twice[0]!r}, which encode gives too", where=type(task).__name__)
    return found


def second_halves(task: Task, module: nn.Module, records: Batch, rows: UserRows) -> tuple[Batch, Tensor]:
    """The second half of each user's rows [n], with what was worked out from the first half, and their places [n].

    How a hold-out is scored: a user with n rows is known by the first ceil(n / 2) of them, in the order they were
    sealed in. Of a user with one row nothing is known, and it is not scored; with no such rows at all nothing is.
    """
    asked, known = [], []
    for first, end in zip(rows.starts, rows.starts[1:], strict=False):
        middle = int(first + (end - first + 1) // 2)
        if middle < end:
            value = worked_out(task, module, take(records, slice(int(first), middle)))
            known.append({name: one.expand(int(end) - middle, *one.shape) for name, one in value.items()})
            asked.append(np.arange(middle, end))
    places = torch.from_numpy(np.concatenate(asked) if asked else np.empty(0, dtype=np.int64))
    personal = {name: torch.cat([one[name] for one in known]) for name in (known[0] if known else {})}
    return {**take(records, places), **personal}, places
