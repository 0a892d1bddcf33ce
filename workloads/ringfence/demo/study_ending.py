"""How a study ends: the table with its spread, a small plot, the budgets, and what to try next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from ringfence.demo.ending import Account, relative

_BAR = 40


@dataclass(frozen=True)
class Score:
    """One row of the table: the same training with several seeds. `values` are decimal strings, on the hold-out."""

    name: str
    data: str
    values: tuple[str, ...]

    @property
    def mean(self) -> float:
        return fmean(map(float, self.values))

    @property
    def spread(self) -> float:
        """The sample standard deviation; 0 for one seed."""
        return stdev(map(float, self.values)) if len(self.values) > 1 else 0.0


@dataclass(frozen=True)
class StudyEnding:
    """All that a study showed. `score` is the story's own job's, at `epsilon`, under the budgets of the folder."""

    folder: Path
    question: str
    metric: str
    better: Literal["higher", "lower"]
    epsilon: str
    score: str
    baselines: tuple[tuple[str, float], ...]
    scores: tuple[Score, ...]
    accounts: tuple[Account, ...]
    notes: tuple[str, ...]
    output: str
    report: Path
    seconds: float
    held: bool = True

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "folder": str(self.folder),
            "metric": self.metric,
            "better": self.better,
            "job": {"epsilon": self.epsilon, self.metric: self.score},
            "baselines": [{"name": name, self.metric: f"{value:.6g}"} for name, value in self.baselines],
            "scores": [{"name": one.name, "data": one.data, self.metric: list(one.values)} for one in self.scores],
            "budgets": [
                {"silo": a.silo, "limit": a.limit, "spent": a.spent, "left": a.left, "suchJobsLeft": a.jobs_left}
                for a in self.accounts
            ],
            "output": self.output,
            "report": str(self.report),
            "seconds": round(self.seconds, 1),
        }

    def lines(self, table: Callable[[Sequence[str], Iterable[Sequence[object]]], list[str]]) -> list[str]:
        """As text; `table` lays out heads and rows."""
        here = relative(self.folder)
        own = f"at epsilon {self.epsilon}, scored {float(self.score):.4f}"
        books = [(a.silo, a.limit, a.spent, a.left, a.jobs_left) for a in self.accounts]
        return [
            self.question,
            *self.notes,
            "",
            *self.figures(table),
            "",
            f"The job itself, {own}. Its budgets, by their ledgers:",
            *table(("silo", "limit", "spent", "left", "such jobs left"), books),
            "",
            f"Report  {relative(self.report)}",
            f"Model   {self.output}  (in {here}/store)",
            "Try next:",
            f"  cd {here}",
            "  ringfence plan job.yaml budgets.yaml --store store",
            "  ringfence run job.yaml budgets.yaml --store store --keys keys",
            f"  ringfence statement {self.output} --store store",
        ]

    def figures(self, table: Callable[[Sequence[str], Iterable[Sequence[object]]], list[str]]) -> list[str]:
        """The table of means and spreads with a bar for each, from the worst score to the best."""
        means = [*(value for _, value in self.baselines), *(one.mean for one in self.scores)]
        low, high = min(means), max(means)

        def bar(value: float) -> str:
            reached = 1.0 if high == low else (value - low) / (high - low)
            return "#" * max(1, round(_BAR * (reached if self.better == "higher" else 1 - reached)))

        heads = ("trained by", "on", f"{self.metric} ({self.better} is better)", "+-", "worst to best")
        rows = [(name, "no model", f"{value:.4f}", "", bar(value)) for name, value in self.baselines]
        rows += [(one.name, one.data, f"{one.mean:.4f}", f"{one.spread:.4f}", bar(one.mean)) for one in self.scores]
        seeds = len(self.scores[0].values)
        return [*table(heads, rows), f"Means over {seeds} seeds; +- is the standard deviation over them."]
