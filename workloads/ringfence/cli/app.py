"""All commands, in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli import (
    account,
    audit,
    budget,
    crds,
    demo,
    erase,
    inspect,
    keys,
    package,
    plan,
    pull,
    report,
    run,
    seal,
    statement,
    store,
    watch,
)
from ringfence.cli.budget import close, history, limit, open, pardon, show, transfer, verify  # noqa: F401 - each adds its command

app = typer.Typer(
    name="ringfence",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Federated training with privacy budgets that cannot be overspent.",
    epilog="Begin with: ringfence demo",
)

for room in (demo, seal, inspect, account, plan, run, watch, package, statement, report, pull, crds, erase, audit):
    app.registered_commands += room.app.registered_commands
app.add_typer(keys.app, name="keys")
app.add_typer(budget.app, name="budget")
app.add_typer(store.app, name="store")


def _version(wanted: bool) -> None:
    if wanted:
        from ringfence import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def front(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Federated training with privacy budgets that cannot be overspent."""
