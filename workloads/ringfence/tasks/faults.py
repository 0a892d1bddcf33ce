"""An exception of a user's task code, as one line that leads to the place.

On invented rows the text of the exception is shown, because it says what is wrong; on real rows it could quote a value,
so only its type and the place are.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ringfence.errors import InvalidTask, RingfenceError

_PACKAGE = str(Path(__file__).parents[1])
_LONGEST = 300


@contextmanager
def task_step(step: str, where: str, *, show_text: bool) -> Iterator[None]:
    """Turns any exception of the block into InvalidTask: `<where>: <step> raised <Type> at <file>:<line>[: text]`.

    A refusal of ours (a column that is absent) keeps its words: they name what is declared, never a value.
    """
    try:
        yield
    except RingfenceError as error:
        if not _made_here(error):
            raise _stopped(step, where, error, show_text=show_text) from None
        raise InvalidTask(f"{step}: {error.message}", where=where, remedy=error.remedy) from None
    except Exception as error:
        raise _stopped(step, where, error, show_text=show_text) from None


def at(trace: TracebackType | None) -> str:
    """` at file:line` of the innermost frame in the user's own code, else in a built-in task; empty when in neither."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_absolute()]
    own = [frame for frame in frames if not _library(frame.filename)]
    built_in = [frame for frame in frames if frame.filename.startswith(_PACKAGE)]
    chosen = (own or built_in)[-1:]
    return "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in chosen)


def one_line(error: BaseException) -> str:
    """The text of an exception on one line of bounded length."""
    return " ".join(str(error).split())[:_LONGEST]


def _stopped(step: str, where: str, error: Exception, *, show_text: bool) -> InvalidTask:
    text = f": {one_line(error)}" if show_text and str(error) else ""
    return InvalidTask(f"{step} raised {type(error).__name__}{at(error.__traceback__)}{text}", where=where)


def _made_here(error: RingfenceError) -> bool:
    """Whether our own code raised it: a task could put anything into an error of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(_PACKAGE)


def _library(filename: str) -> bool:
    return "site-packages" in filename or "/lib/python3" in filename or filename.startswith(_PACKAGE)
