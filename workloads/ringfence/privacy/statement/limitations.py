"""What a guarantee depends on and what it leaves uncovered. As much a part of the statement as its figures."""

from __future__ import annotations

from decimal import Decimal

from ringfence.privacy.statement import figures
from ringfence.privacy.statement.facts import LedgerFacts, StatementFacts


def conditions(facts: StatementFacts) -> list[str]:
    """Sentences: all that must be true for the guarantee to hold."""
    return [
        *_code(facts),
        "The owners' keys being in honest hands: an owner's signature vouches for the number of records, the declared "
        "ranges and which records are new, and whoever holds the key of a dataset can read it.",
        *_sampling(facts),
        "The noise being unpredictable: it came from a cipher keyed by the operating system of each silo's machine, "
        "and its keys were not kept. No seed of the job has any part in it.",
        "The silos' machines being sound. Clipping and noise were applied inside the silo before anything left it, "
        "so the guarantee does not depend on the coordinator, on the object store or on the other silos.",
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


def _code(facts: StatementFacts) -> list[str]:
    what = "the tasks built into this release" if facts.job.code == "builtin" else f"the package {facts.job.code}"
    image = f", in the image {facts.job.image}" if facts.job.image else ", on a machine without a pinned image"
    approvals = "; ".join(f"{silo.name}: {cost.approved_by}" for silo, cost in facts.private())
    return [f"The approved code being what it should be: {what}{image}. Approved by, for each silo: {approvals}."]


def _sampling(facts: StatementFacts) -> list[str]:
    rates = "; ".join(
        f"{silo.name}: rate {cost.sampling_rate}, noise multiplier {cost.noise_multiplier}, clip {cost.max_grad_norm}"
        for silo, cost in facts.private()
    )
    return [
        "Poisson sampling having been performed: every step drew each record on its own with the same probability, "
        f"and nobody learns which were drawn ({rates})."
    ]


def _people(facts: StatementFacts) -> list[str]:
    sentences = [
        "Facts about groups: what is true of many records at once is what a model is meant to learn, and it does.",
        "People who are not in the data: what the model says about someone follows from what it learned of others, and "
        "would be learned, within the bound above, without that person too.",
        "A person with several records in one dataset: the guarantee is for one record and weakens with each more.",
    ]
    private = facts.private()
    if len(private) == 1:
        return [*sentences, "A person who is also in another dataset: what that one released comes on top."]
    epsilon, delta = figures.composed(cost for _, cost in private)
    return [
        *sentences,
        f"A person in several silos: with a record in each of the {len(private)} private silos, that person's "
        f"guarantees compose to at most epsilon {figures.epsilon(figures.exact(epsilon))} at delta "
        f"{figures.exact(delta)} (the sum bound of the jobs' epsilons and deltas), a factor of at most "
        f"{figures.factor(epsilon)}.",
    ]


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
