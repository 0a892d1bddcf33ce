"""A statement in plain words, for a data protection officer: short sections of whole, true sentences.

The same words stand on the terminal, in the report and in the model card. They are plain text: whoever puts them into
HTML or Markdown escapes them, because names in them are other people's. Figures are rounded to the unfavourable side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ringfence.privacy.statement import document, figures, limitations
from ringfence.privacy.statement.facts import PrivacyFacts, SiloFacts, StatementFacts
from ringfence.privacy.statement.units import UnitWords


class Section(NamedTuple):
    """A title and its sentences, each a paragraph or list item of its own."""

    title: str
    sentences: tuple[str, ...]


def words(statement: Mapping[str, Any]) -> list[Section]:
    """The sections, in reading order. `statement` is a document or its content; InvalidInput when it is neither."""
    facts = document.facts(statement)
    sections = [Section("What was trained", tuple(_trained(facts)))]
    if not facts.private():
        sections.append(Section("No privacy guarantee", tuple(_unprotected(facts))))
    else:
        sections += [
            Section("What is protected", tuple(_protected(facts))),
            Section("What epsilon and delta mean here", tuple(_meaning(facts))),
            Section("What it cost: three figures that are never added", tuple(_cost(facts))),
            Section("What the guarantee depends on", tuple(limitations.conditions(facts))),
        ]
    sections.append(Section("What is not covered", tuple(limitations.not_covered(facts))))
    sections.append(Section("How to check this statement", tuple(_checking(facts))))
    return sections


def names(silos: Sequence[SiloFacts]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    listed = [silo.name for silo in silos]
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def _trained(facts: StatementFacts) -> list[str]:
    job, silos = facts.job, _counted(len(facts.silos), "silo")
    sentences = [
        f"The job {job.namespace}/{job.name} trained {job.task} on the data of {silos}: {names(facts.silos)}. "
        "Each silo's rows stayed with their owner.",
        f"{_counted(len(facts.rounds), 'round')} of training entered the model.",
    ]
    return sentences + [sentence for silo, cost in facts.private() for sentence in _unused(facts, silo, cost)]


def _unused(facts: StatementFacts, silo: SiloFacts, cost: PrivacyFacts) -> list[str]:
    used = sum(silo.name in entry.members for entry in facts.rounds)
    if cost.rounds_charged <= used:
        return []
    late = _counted(cost.rounds_charged - used, "round")
    return [f"{silo.name} was charged for {late} more than the model uses; what came too late is spent all the same."]


def _unprotected(facts: StatementFacts) -> list[str]:
    return [
        "No privacy guarantee is made for this model.",
        f"It was trained only on datasets that their owners declared public ({names(facts.silos)}): no noise was "
        "added, no budget was charged, and the model may reveal anything that is in those records.",
        "A declaration of public is the owner's signed word that no person's privacy is at stake; nothing here "
        "checks it.",
    ]


def _protected(facts: StatementFacts) -> list[str]:
    words = facts.words
    sizes = "; ".join(f"{silo.name}: {_size(silo)}" for silo, _ in facts.private())
    sentences = [
        f"The guarantee protects {words.protected} ({sizes}).",
        f"It compares what happened with what would have happened had {words.blanked}. In the "
        f"field's words, the adjacency is {facts.adjacency}. How many {words.many} there are is treated as public.",
    ]
    if facts.public():
        sentences.append(
            f"No privacy guarantee is made for the records of {names(facts.public())}: "
            "their owners declared those datasets public."
        )
    return sentences


def _size(silo: SiloFacts) -> str:
    return f"{silo.records:,}" if silo.users is None else f"{silo.users:,} with {silo.records:,} records"


def _meaning(facts: StatementFacts) -> list[str]:
    sentences = [
        f"Epsilon bounds how far one {facts.words.one} can change the probability of anything that this job released, "
        "and so of anything that can be concluded from it; the smaller, the better protected. "
        "Delta is a small probability that this bound may be missed by."
    ]
    return sentences + [_bound(silos, cost, facts.words) for silos, cost in _alike(facts)]


def _alike(facts: StatementFacts) -> list[tuple[list[SiloFacts], PrivacyFacts]]:
    """Silos whose sentence would be the same, together; with the largest epsilon among them."""
    groups: dict[tuple[str, str], list[tuple[SiloFacts, PrivacyFacts]]] = {}
    for silo, cost in facts.private():
        groups.setdefault((figures.epsilon(cost.job_epsilon), cost.job_delta), []).append((silo, cost))
    return [
        ([silo for silo, _ in group], max((cost for _, cost in group), key=lambda cost: Decimal(cost.job_epsilon)))
        for group in groups.values()
    ]


def _bound(silos: Sequence[SiloFacts], cost: PrivacyFacts, words: UnitWords) -> str:
    epsilon, delta = Decimal(cost.job_epsilon), Decimal(cost.job_delta)
    return (
        f"{names(silos)}: epsilon is at most {figures.epsilon(cost.job_epsilon)} at delta {cost.job_delta}. With any "
        f"one {words.one} or without it, the probability of any output differs by a factor of at most "
        f"{figures.factor(epsilon)} (the odds factor, e to the power of epsilon), plus at most {cost.job_delta}. "
        f"Someone who knew everything else, and would have guessed 50:50 whether {words.presence}, "
        f"guesses right with a probability of at most {figures.guess(epsilon, delta)} % after seeing all that the "
        "job released."
    )


def _cost(facts: StatementFacts) -> list[str]:
    sentences = [
        "The job's epsilon is what this job alone may cost a dataset: the charges of all its planned rounds, read "
        "together at the job's own delta. It holds for a job that stopped early too.",
        "The ledger's spent epsilon is what everything ever charged to a dataset costs together, this job and all "
        "others, read at the ledger's own delta. It is compared with the limit that the owner set, and need not "
        "grow by the job's epsilon.",
        "The PLD epsilon is a sharper calculation of this job alone, at the job's delta, for all the steps that were "
        "planned, even if the job stopped early. It is for information and admits nothing.",
        "These three are different readings of the same cost. They are never added to one another.",
    ]
    return sentences + [_bill(silo, cost) for silo, cost in facts.private()]


def _bill(silo: SiloFacts, cost: PrivacyFacts) -> str:
    ledger = cost.ledger
    stopped = "" if cost.rounds_charged == cost.rounds_planned else " (the job stopped early or sat rounds out)"
    return (
        f"{silo.name}: {cost.rounds_charged} of {cost.rounds_planned} planned rounds were charged{stopped}. Job's "
        f"epsilon {figures.epsilon(cost.job_epsilon)}, PLD epsilon {figures.epsilon(cost.pld_epsilon)} for "
        f"{_counted(cost.steps_per_round * cost.rounds_planned, 'planned step')}, both at delta {cost.job_delta}. "
        f"Ledger: {figures.epsilon(ledger.spent_before)} spent before, {figures.epsilon(ledger.spent_after)} after, "
        f"of a limit of {figures.exact(Decimal(ledger.limit_epsilon))} at delta {ledger.limit_delta}."
    )


def _checking(facts: StatementFacts) -> list[str]:
    sentences = [
        "The coordinator's key, made for this job, signed this statement, and the key that admitted the job "
        "endorsed it: any change to a single character shows.",
    ]
    if facts.private():
        sentences.append(
            "Each private dataset's ledger names both keys and every charge; the statement gives the place and the "
            "hash of the ledger's last entry, and the cost vectors there and here must be equal to the last digit."
        )
    return sentences


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
