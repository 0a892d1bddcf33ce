"""How the story ends: the table, the budgets, the refusal, and what to try next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COPIES = "copies sealed --public, no privacy"


@dataclass(frozen=True)
class Arm:
    """One row of the table. `auc` is a decimal string, on the hold-out."""

    name: str
    data: str
    auc: str


@dataclass(frozen=True)
class Account:
    """A silo's budget after the story: the ledger's readings, and how many jobs like this one still fit."""

    silo: str
    limit: str
    spent: str
    left: str
    jobs_left: int


@dataclass(frozen=True)
class Ending:
    """All that the story showed. `refusal` is empty if the greedy job was, wrongly, admitted."""

    folder: Path
    arms: tuple[Arm, ...]
    accounts: tuple[Account, ...]
    refusal: str
    output: str
    report: Path
    records: int
    dropped: int
    seconds: float

    @property
    def held(self) -> bool:
        """Whether the budget held: the greedy job was refused."""
        return bool(self.refusal)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "folder": str(self.folder),
            "arms": [arm.__dict__ for arm in self.arms],
            "budgets": [
                {"silo": a.silo, "limit": a.limit, "spent": a.spent, "left": a.left, "suchJobsLeft": a.jobs_left}
                for a in self.accounts
            ],
            "refusal": self.refusal,
            "held": self.held,
            "output": self.output,
            "report": str(self.report),
            "seconds": round(self.seconds, 1),
        }

    def lines(self, table: Callable[[Sequence[str], Iterable[Sequence[object]]], list[str]]) -> list[str]:
        """As text; `table` lays out heads and rows."""
        here = relative(self.folder)
        arms = table(("trained by", "on", "AUC"), [(arm.name, arm.data, f"{float(arm.auc):.4f}") for arm in self.arms])
        books = [(a.silo, a.limit, a.spent, a.left, a.jobs_left) for a in self.accounts]
        return [
            f"{self.records:,} flights; {self.dropped:,} cancelled or diverted ones are left out.",
            "Will it arrive more than 15 minutes late? Scored on every tenth flight, sealed as public.",
            "",
            *arms,
            "",
            "Epsilon of each airport's budget, by its ledger:",
            *table(("airport", "limit", "spent", "left", "such jobs left"), books),
            "Epsilons do not add up like money: the last column counts the jobs like this one that still fit.",
            "",
            "A greedy second job was refused:" if self.held else "THE GREEDY JOB WAS NOT REFUSED: please report this",
            f"  {self.refusal}",
            "",
            f"Report  {relative(self.report)}",
            f"Model   {self.output}  (in {here}/store)",
            "Try next:",
            f"  cd {here}",
            "  ringfence plan job.yaml budgets.yaml --store store",
            "  ringfence run job.yaml budgets.yaml --store store --keys keys",
            "  ringfence budget history s3://ewr/flights --store store",
            "  ringfence run own.yaml --synthetic --code task --schema schema.yaml   (after an edit of task/)",
            f"  ringfence statement {self.output} --store store",
        ]


def labels(airports: tuple[str, ...]) -> list[tuple[str, str]]:
    """(name, data) of the arms without privacy: each airport alone, then all together."""
    return [*((f"{airport.upper()} alone", _COPIES) for airport in airports), ("all federated", _COPIES)]


def relative(path: Path) -> str:
    """As one would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
