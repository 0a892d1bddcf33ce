"""Persons who stand in several datasets of one owner, and what that means for them.

Every dataset has a ledger of its own, so a person in k of them has k guarantees: their epsilons and deltas add up, as
in the first bound of `ringfence.privacy.statement.persons`. Its closer bounds compose what one job planned; a limit is
met at whichever order fits in the end, so limits have no vectors to add.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Shared:
    """Persons of the rows that are sealed who stand in the dataset at `url` too. `limit` is what its owner set there,
    (epsilon, delta); None before a budget is opened."""

    url: str
    dataset: str
    persons: int
    limit: tuple[str, str] | None


@dataclass(frozen=True)
class Overlap:
    """`persons` are those of the rows that are sealed. `several[i]` of them stand in i + 1 other datasets.

    `passed_over` are datasets that could not be compared, with the reason; `gone` the URLs among them that hold none.
    """

    persons: int = 0
    shared: tuple[Shared, ...] = ()
    several: tuple[int, ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """The largest number of other datasets that one person stands in."""
        return max((count + 1 for count, persons in enumerate(self.several) if persons), default=0)

    def adds_up(self) -> tuple[Decimal, Decimal] | None:
        """(epsilon, delta) of what the other datasets' limits allow about one person of these rows together: the
        `most` largest of each, added. None while one of them has no limit."""
        limits = [one.limit for one in self.shared if one.persons]
        known = [limit for limit in limits if limit is not None]
        if not known or len(known) < len(limits):
            return None
        epsilons, deltas = (sorted(map(Decimal, column), reverse=True) for column in zip(*known, strict=True))
        return sum(epsilons[: self.most], Decimal(0)), sum(deltas[: self.most], Decimal(0))

    def words(self) -> list[str]:
        """What it means, for the owner: a line a dataset, and what adds up; nothing when nobody stands elsewhere."""
        lines = [
            f"{one.persons:,} of {self.persons:,} persons stand in {one.url} too"
            + (f", whose limit is epsilon {one.limit[0]} at delta {one.limit[1]}" if one.limit else "")
            for one in self.shared
            if one.persons
        ]
        if lines:
            total = self.adds_up()
            most = f" (epsilon {total[0]:f} at delta {total[1]} there already)" if total else ""
            lines.append(
                f"a person in {self.most + 1} datasets has {self.most + 1} guarantees, whose epsilons and deltas add "
                f"up{most}: open this one's budget with that in mind"
            )
        return lines

    def report(self) -> dict[str, object]:
        """A part of the sealed quality report; nothing where nothing was compared."""
        shared = [{"url": one.url, "dataset": one.dataset, "persons": one.persons} for one in self.shared]
        return {"overlap": {"persons": self.persons, "shared": shared, "several": list(self.several)}} if shared else {}
