"""Progress on stderr: bars on a terminal, one plain line a stage elsewhere, nothing at all when asked for silence.

Names and notes may come from manifests, so control characters never reach the terminal.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress(Protocol):
    """What long work reports to. One stage at a time; any thread may advance it; leaving the context ends the last."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` units (unknown: None); the stage before it is over."""

    def advance(self, n: int = 1) -> None:
        """`n` more units of the present stage are done. Does nothing before the first stage."""

    def note(self, text: str) -> None:
        """One line worth keeping."""

    def close(self) -> None:
        """End the last stage. Closing twice does no harm."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class SilentProgress:
    """Progress that nobody watches."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class RichProgress(SilentProgress):
    """Bars with time and estimate while `stream` (stderr) is a terminal, else one line as each stage begins."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()
        self._task: TaskID | None = None
        self._bars = _bars(self._stream) if self._stream.isatty() else None

    def stage(self, name: str, total: int | None = None) -> None:
        with self._lock:
            if self._bars is None:
                self._line(f"{plain(name)} ({total:,})" if total is not None else plain(name))
                return
            self._end_stage(self._bars)
            self._bars.start()
            self._task = self._bars.add_task(plain(name), total=total)

    def advance(self, n: int = 1) -> None:
        with self._lock:
            if self._bars is not None and self._task is not None:
                self._bars.advance(self._task, n)

    def note(self, text: str) -> None:
        with self._lock:
            if self._bars is None:
                self._line(plain(text))
            else:
                self._bars.console.print(plain(text), markup=False, highlight=False)

    def close(self) -> None:
        with self._lock:
            if self._bars is not None:
                self._end_stage(self._bars)
                self._bars.stop()

    def _end_stage(self, bars: Bars) -> None:
        if self._task is None:
            return
        task = bars.tasks[-1]
        if task.total is None:  # a stage of unknown length ends full, not pulsing for ever
            bars.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))
        bars.stop_task(self._task)
        self._task = None

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def _bars(stream: TextIO) -> Bars:
    # Imported here: commands without progress start without rich.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Bars(*columns, console=Console(file=stream))


def plain(text: str) -> str:
    """One line without control characters, for a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
