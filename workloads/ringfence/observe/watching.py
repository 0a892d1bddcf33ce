"""Watching: a live screen on a terminal, a line for each change elsewhere.

Names and messages may come from manifests and from pods, so control characters and markup never reach the terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from ringfence.observe.progress import plain
from ringfence.observe.tally import COORDINATOR_PARTS, Totals
from ringfence.observe.watched import Watched

if TYPE_CHECKING:
    from rich.console import RenderableType


def watch(look: Callable[[], Watched], every: float, stream: TextIO | None = None) -> Watched:
    """Show the job on `stream` (stdout) every so many seconds until it has ended; how it ended."""
    stream = sys.stdout if stream is None else stream
    if stream.isatty():
        return _live(look, every, stream)
    last: list[str] = []
    for one in _looks(look, every):
        now = lines(one)
        stream.writelines(f"{line}\n" for line in now if line not in last)
        stream.flush()
        last = now
    return one


def lines(one: Watched) -> list[str]:
    """The job as plain lines; those that are new are what changed."""
    head = f"{one.job}: {one.phase}, round {one.round} of {one.rounds}"
    figures = [f"epsilon {one.epsilon[:8]}"] if one.epsilon else []
    figures += [f"{name} {value[:6]}" for name, value in one.metrics.items()]
    if one.seconds_left is not None and one.round:
        figures.append(f"{duration(one.seconds_left)} left")
    found = [", ".join([head, *figures])]
    found += [f"  {silo.name}: {silo.state}{f', {silo.note}' if silo.note else ''}" for silo in one.silos]
    found += [f"  {text}" for text in (one.note, one.model, one.statement) if text]
    return [f"{line[: len(line) - len(line.lstrip())]}{plain(line)}" for line in found]


def duration(seconds: int) -> str:
    """As people say it: 45s, 2m 10s, 3h 05m."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    return f"{seconds // 3600}h {seconds % 3600 // 60:02d}m"


def _looks(look: Callable[[], Watched], every: float) -> Iterator[Watched]:
    while True:
        one = look()
        yield one
        if one.ended:
            return
        time.sleep(every)


def _live(look: Callable[[], Watched], every: float, stream: TextIO) -> Watched:
    # Imported here: commands without a screen start without rich.
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream), auto_refresh=False) as live:
        for one in _looks(look, every):
            live.update(screen(one), refresh=True)
    return one


def screen(one: Watched) -> RenderableType:
    """The job as a screen: its rounds as a bar, its silos as a table, where its time went."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    color = {"Complete": "green", "Failed": "red", "Stopped": "yellow"}.get(one.phase, "cyan")
    head, *rest = lines(one)
    silos = Table("silo", "state", "rounds", "examples", "training", "releasing", "now", box=None)
    for silo in one.silos:
        counts = [silo.totals.get(name, "") for name in ("rounds", "examples")]
        spent = [_seconds(silo.totals, part) for part in ("train", "release")]
        silos.add_row(*(Text(plain(cell)) for cell in (silo.name, silo.state, *counts, *spent, silo.note)))
    below = [Text(line) for line in rest[len(one.silos) :]]
    parts = [f"{part} {took}" for part in COORDINATOR_PARTS if (took := _seconds(one.totals, part))]
    missed = one.totals.get("missedUpdates", "0")
    rounds = Text(f"coordinator: {', '.join(parts)}; updates missed: {missed}" if one.totals else "")
    bar = ProgressBar(total=max(1, one.rounds), completed=one.round)
    return Group(Text(head, style=color), bar, Text(""), silos, Text(""), rounds, *below)


def _seconds(totals: Totals, part: str) -> str:
    found = totals.get(f"{part}Seconds")
    return f"{float(found):.3g}s" if found else ""
