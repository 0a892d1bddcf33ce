"""The endorsement of a finished job's statement, after what it says was held against the ledgers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, SignatureRejected
from ringfence.privacy import statement
from ringfence.privacy.orders import exact_epsilon
from ringfence.privacy.statement import SiloFacts, StatementFacts
from ringfence_operator.ledgers.house import Asked, House
from ringfence_operator.seen import Endorsed

NAME = "statement.json"


def endorse(house: House, asked: Asked) -> Endorsed:
    """Adds the operator's signature to `<output>/<uid>/statement.json`; one that is endorsed already stays as it is.

    Returns what it says, for the status: the coordinator's last report may have been missed.
    Raises SignatureRejected when it is not signed by the job's coordinator, or says of a silo another cost, or of the
    job another spec, than the ledgers and the resource do.
    """
    store = house.stores.open(f"{asked.job.spec.output}/{asked.uid}")
    where = f"{store.url}/{NAME}"
    document = _decoded(store.get(NAME), where)
    coordinator = house.keys(asked.uid, "").public.sign
    content = signing.verify(document.get("statement", {}), "statement", signer=coordinator, where=where)
    del content["key"]
    try:
        facts = statement.facts(content)
    except InvalidInput as error:
        raise SignatureRejected(f"signed, but malformed: {error.message}", where=where) from error
    _check(house, asked, facts, where)
    endorsed = statement.endorse({"statement": document["statement"]}, house.writer)
    if statement.dump(endorsed) != statement.dump(document):
        store.put(NAME, statement.dump(endorsed))
    return _told(asked, facts)


def _told(asked: Asked, facts: StatementFacts) -> Endorsed:
    """The epsilon is that of what the ledgers were charged, at the job's own delta; the largest of its silos."""
    privacy = asked.job.spec.privacy
    delta = Decimal(privacy.delta) if privacy else Decimal(0)
    costs = [one.cost for _, one in facts.private()]
    epsilons = [exact_epsilon(cost.total, (delta,) * len(cost.total), cost.orders) for cost in costs]
    epsilon = f"{max(epsilons):.6f}" if epsilons else None
    metrics = {name: f"{Decimal(value):.6f}" for name, value in facts.metrics.items()}
    return Endorsed(len(facts.rounds), epsilon, metrics)


def _decoded(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = canonical.decode(data)
    except (InvalidInput, ValueError) as error:
        raise SignatureRejected("not the canonical JSON that was signed", where=where) from error
    if not isinstance(document, dict) or not isinstance(document.get("statement"), dict):
        raise SignatureRejected("not a statement", where=where)
    return document


def _check(house: House, asked: Asked, facts: StatementFacts, where: str) -> None:
    if (facts.job.uid, facts.job.spec_digest) != (asked.uid, asked.job.digest()):
        raise SignatureRejected("it is of another job", where=where)
    told: Mapping[str, SiloFacts] = {silo.name: silo for silo in facts.silos}
    if set(told) != {silo.name for silo in asked.job.spec.silos}:
        raise SignatureRejected("it names other silos than the job", where=where)
    for silo, budget in asked.budgets.items():
        ledger = house.ledger(budget.spec.dataset, budget.spec.signer)
        privacy = told[silo].privacy
        if ledger is None or privacy is None:
            raise SignatureRejected(f"silo {silo}: it does not say what this private dataset paid", where=where)
        if tuple(privacy.cost.total) != ledger.view.spent_of(asked.uid, silo):
            raise SignatureRejected(f"silo {silo}: the cost is not what the ledger was charged", where=where)
