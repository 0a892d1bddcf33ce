"""What a command says, and where: results on stdout, the rest on stderr, one JSON document instead of text if asked."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ringfence.observe.progress import Progress


@dataclass(frozen=True)
class Output:
    """One command's way to the user. `json` and `verbose` are its two flags; `results` is where results go."""

    json: bool = False
    verbose: bool = False
    results: TextIO = field(default_factory=lambda: sys.stdout, repr=False)

    def result(self, document: dict[str, Any], lines: Iterable[str] = ()) -> None:
        """The result: `document` as JSON if that was asked for, else `lines` of text."""
        text = json.dumps(document, indent=2, ensure_ascii=False, default=str) if self.json else "\n".join(lines)
        if text:
            self.results.write(text + "\n")
        self.results.flush()

    def note(self, text: str) -> None:
        """One line for a person, never part of the result."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def progress(self) -> Progress:
        """Bars on stderr when it is a terminal, else one plain line a stage."""
        from ringfence.observe.progress import RichProgress

        return RichProgress()

    def logging(self) -> None:
        """Send log records of this library to stderr; `-v` shows all of them."""
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("ringfence")
        logger.handlers = [handler]
        logger.setLevel(logging.DEBUG if self.verbose else logging.WARNING)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Text lines of a table, columns as wide as their longest cell; numbers are right-aligned by the caller's choice
    of text, so that the same rows always give the same bytes, on a terminal or in a pipe."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
