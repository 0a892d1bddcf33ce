"""The front door: one file a command, each of which parses, calls and prints.

Importing this package costs typer and nothing else; a command imports what it calls when it runs. Rules of output:
results go to stdout, everything else to stderr; with `--json` stdout holds exactly one document. Exit codes: 0 done,
1 a job or a check failed, 2 the input is at fault, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and return its exit code. Never raises for what a user does."""
    from ringfence.cli.entry import run_command_line

    return run_command_line(arguments)
