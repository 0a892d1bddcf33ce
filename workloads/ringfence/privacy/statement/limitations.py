"""What a guarantee depends on and what it leaves uncovered. As much a part of the statement as its figures."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ringfence.privacy.statement import figures
from ringfence.privacy.statement.facts import LedgerFacts, PrivacyFacts, SiloFacts, StatementFacts
from ringfence.privacy.statement.persons import Composed, composed


def conditions(facts: StatementFacts) -> list[str]:
    """Sentences: all that must be true for the guarantee to hold."""
    return [
        *_code(facts),
        "The owners' keys being in honest hands: an owner's signature vouches for the number of records, the declared "
        "ranges and which records are new, and whoever holds the key of a dataset can read it.",
        *_sampling(facts),
        f"The noise being unpredictable: it came from a cipher keyed by the operating system of {_drawn_by(facts)} "
        "machine, and its keys were not kept. No seed of the job has any part in it.",
        _machines(facts),
    ]


def not_covered(facts: StatementFacts) -> list[str]:
    """Sentences: what nobody should read into this statement."""
    sentences = [] if not facts.private() else [*_people(facts), *_limits(facts), *_releases()]
    if facts.metrics:
        sentences.append(
            "Metrics were computed on a hold-out that its owner declared public: nothing protects the people in it."
        )
    sentences.append(
        "The network and the machines: who administers a cluster, a silo's machines or its network can see data in use "
        "there, and anyone who can see the store sees which silo took part, when, and how much it sent."
    )
    return sentences


def _drawn_by(facts: StatementFacts) -> str:
    return "the coordinator's" if facts.unit == "Silo" else "each silo's"


def _machines(facts: StatementFacts) -> str:
    if facts.unit == "Silo":
        return (
            "The coordinator's and the silos' machines being sound. Each silo clipped its update; the coordinator "
            "alone saw these updates, and added noise to their sum once a round. The guarantee is against everybody "
            "who sees what was released, not against the coordinator."
        )
    return (
        "The silos' machines being sound. Clipping and noise were applied inside the silo before anything left it, "
        "so the guarantee does not depend on the coordinator, on the object store or on the other silos."
    )


def _code(facts: StatementFacts) -> list[str]:
    what = "the tasks built into this release" if facts.job.code == "builtin" else f"the package {facts.job.code}"
    image = f", in the image {facts.job.image}" if facts.job.image else ", on a machine without a pinned image"
    approvals = "; ".join(f"{silo.name}: {cost.approved_by}" for silo, cost in facts.private())
    return [f"The approved code being what it should be: {what}{image}. Approved by, for each silo: {approvals}."]


def _sampling(facts: StatementFacts) -> list[str]:
    found = []
    drawn = _noises([pair for pair in facts.private() if pair[1].mechanism == "poisson-gaussian"])
    if drawn:
        found.append(
            f"Poisson sampling having been performed: {facts.words.sampled}, and nobody learns which were drawn "
            f"({drawn})."
        )
    whole = _noises([pair for pair in facts.private() if pair[1].mechanism == "gaussian"])
    if whole:
        found.append(
            f"The noise having been added to sums over all {facts.words.many}: no amplification by sampling is claimed "
            f"({whole})."
        )
    return found


def _noises(private: Sequence[tuple[SiloFacts, PrivacyFacts]]) -> str:
    return "; ".join(
        f"{silo.name}: rate {cost.sampling_rate}, noise multiplier {cost.noise_multiplier}, clip {cost.max_grad_norm}"
        for silo, cost in private
    )


def _people(facts: StatementFacts) -> list[str]:
    sentences = [
        "Facts about groups: what is true of many records at once is what a model is meant to learn, and it does.",
        "People who are not in the data: what the model says about someone follows from what it learned of others, and "
        "would be learned, within the bound above, without that person too.",
        facts.words.several,
    ]
    private = facts.private()
    if len(private) == 1:
        return [*sentences, "A person who is also in another dataset: what that one released comes on top."]
    found = composed([cost for _, cost in private], facts.unit)
    bounds = "; ".join(_person(one, len(private)) for one in found)
    why = (
        "the noise is shared, so the distances add up before they are converted"
        if facts.unit == "Silo"
        else "each silo drew its own noise, and the costs add up order by order"
    )
    return [*sentences, f"A person in several silos: with {facts.words.in_each} in {bounds} ({why})."]


def _person(one: Composed, silos: int) -> str:
    which = f"all {silos} private silos" if one.silos == silos else f"any {one.silos} of the {silos} private silos"
    return (
        f"{which}, that person has epsilon at most {figures.epsilon(figures.exact(one.epsilon))} at delta "
        f"{figures.exact(one.delta)}, a factor of at most {figures.factor(one.epsilon)}"
    )


def _limits(facts: StatementFacts) -> list[str]:
    ever = ", ".join(_highest(silo.name, cost.ledger) for silo, cost in facts.private())
    return [
        f"Limits raised before: the highest limit ever set is {ever}. "
        "If a lower one was ever promised, that promise ended when the limit was raised."
    ]


def _highest(name: str, ledger: LedgerFacts) -> str:
    highest, limit = Decimal(ledger.highest_epsilon), Decimal(ledger.limit_epsilon)
    return f"{figures.exact(highest)} for {name}" + (" (above the limit of today)" if highest > limit else "")


def _releases() -> list[str]:
    return [
        "Other releases: a ledger knows what was charged to it. Copies of the data, other systems, and reports made "
        "outside this ledger are not counted."
    ]
