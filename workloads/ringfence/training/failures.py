"""What a task's own code raises, told without its words: they may hold values of records."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence.errors import RingfenceError, WorkloadFailed


@contextmanager
def told_by_place(task: object, step: int) -> Iterator[None]:
    """Turn any exception but our own into WorkloadFailed: its type, and the file and line that raised it."""
    try:
        yield
    except RingfenceError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise WorkloadFailed(
            f"{type(error).__name__} in step {step}, at {Path(frame.filename).name}:{frame.lineno} ({frame.name})",
            where=type(task).__name__,
            remedy="try the task on synthetic rows, where the whole error may be shown",
        ) from None
