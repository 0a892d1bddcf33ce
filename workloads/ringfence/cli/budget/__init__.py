"""`ringfence budget`: what an owner lets be learned from a dataset, and what became of it."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="A dataset's budget and its ledger.")
