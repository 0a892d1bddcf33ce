"""`ringfence budget open`: the owner's first limit, signed, and the PrivacyBudget to apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.budget.open_options import OpenOptions
from ringfence.cli.command import command
from ringfence.cli.options import amount, small
from ringfence.cli.output import Output, table
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.cli.budget.opening import Opening


@command(app, "open")
def open_(options: OpenOptions, out: Output) -> None:
    """Set a dataset's limit, signed by its owner, and get the PrivacyBudget manifest to apply.

    Epsilon may be raised later by a signed entry; delta, accountant, the orders and the split of delta over them are
    fixed now.
    """
    from ringfence.cli.budget import opening
    from ringfence.privacy.ledger import add_writer, set_limit
    from ringfence.shards.keys import load_public, load_signer

    epsilon, delta = amount(options.epsilon, "--epsilon"), small(options.delta, "--delta")
    signer = load_signer(options.keys)
    manifest, ledger = open_ledger(options.url, options.store, load_public(options.keys))
    budget = opening.budget(options, manifest)
    _check(options, *(("users", manifest.units) if manifest.unit.startswith("User") else ("records", manifest.records)))
    opening.check_unopened(ledger, (epsilon, delta, options.accountant), options.url)
    facts = opening.facts(manifest, options.url, options.accountant)
    split = opening.split(opening.expected(options.expect), facts, epsilon, delta)
    set_limit(ledger, signer, epsilon=epsilon, delta=delta, split=split, reason="opened")
    if options.writer is not None:
        add_writer(ledger, signer, options.writer, "operator")
    _report(opening.describe(budget, ledger, facts), options, out)


def _check(options: OpenOptions, noun: str, count: int) -> None:
    """Refusals that cost nothing, before anything is written. For unit Silo too, delta stays below 1 / records: what
    protects all of a silo's records protects each of them."""
    if small(options.delta, "--delta") * count >= 1:
        whole = "one row" if noun == "records" else "all rows of one user"
        raise InvalidInput(
            f"delta {options.delta} is at least 1 / {count} {noun}: publishing {whole} would satisfy it",
            where="--delta",
            remedy="use a much smaller one, such as 1e-6",
        )
    if options.output is not None and options.output.exists():
        raise InvalidInput("is there already", where=str(options.output), remedy="name another file")


def _report(opened: Opening, options: OpenOptions, out: Output) -> None:
    if options.output is not None:
        try:
            options.output.write_text(opened.manifest, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"cannot be written ({error.strerror})", where=str(options.output)) from error
    out.result(opened.document(), _lines(opened, options.output))


def _lines(opened: Opening, output: Path | None) -> list[str]:
    orders = table(
        ("order", "delta at it", "limit (micro-units)"), [[_cell(value) for value in row] for row in opened.orders]
    )
    typical = [f"{job.admitted:>6}  jobs of epsilon {job.epsilon}, {job.shape}" for job in opened.typical]
    remarks = [
        f"limit: epsilon {opened.epsilon} at delta {opened.delta}, for good on {_grid(opened)}",
        *orders,
        "it would admit, one kind alone:",
        *typical,
    ]
    if output is not None:
        return [*remarks, f"written to {output}; apply it with: kubectl apply -f {output}"]
    return [*(f"# {line}".rstrip() for line in remarks), opened.manifest.rstrip("\n")]


def _grid(opened: Opening) -> str:
    return "the sum of mu squared (gdp)" if len(opened.orders) == 1 else "these orders"


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
