"""From a command line to an exit code: what typer itself refuses becomes one line too."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from ringfence.cli.app import app
from ringfence.cli.failures import interrupted, usage
from ringfence.cli.output import Output


def run_command_line(arguments: Sequence[str] | None) -> int:
    """The exit code of one command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(words, prog_name="ringfence", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return interrupted(_output(words))
    except Exception as error:
        # typer has moved its parser's exceptions between modules; all of them carry `format_message` and `exit_code`.
        if not hasattr(error, "format_message"):
            raise
        return usage(error, words, _output(words))
    return code if isinstance(code, int) else 0


def _output(words: Sequence[str]) -> Output:
    return Output(json="--json" in words, verbose="-v" in words or "--verbose" in words)
