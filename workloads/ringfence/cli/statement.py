"""`ringfence statement`: what a model cost, and what that means."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from ringfence.cli.command import command
from ringfence.cli.options import StoreDir, Url
from ringfence.cli.output import Output

app = typer.Typer()
_WIDTH = 100


@dataclass(frozen=True)
class StatementOptions:
    url: Url
    store: StoreDir = None


@command(app, "statement")
def statement(options: StatementOptions, out: Output) -> None:
    """Print a job's statement in plain words, after checking its signatures. URL is <output>/<job uid>."""
    import textwrap

    from ringfence.cli.outputs import open_output, read_statement
    from ringfence.privacy.statement import words

    document = read_statement(open_output(options.url, options.store))
    lines: list[str] = []
    for section in words(document):
        lines += ["", section.title]
        for sentence in section.sentences:
            lines += textwrap.wrap(sentence, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    out.result(document, lines[1:])
