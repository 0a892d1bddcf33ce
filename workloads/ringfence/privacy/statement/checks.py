"""What must agree within one statement before anybody signs it, and again when it is read."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from ringfence.errors import InvalidInput
from ringfence.privacy.statement.facts import PrivacyFacts, SiloFacts, StatementFacts


def check(facts: StatementFacts) -> None:
    """Raises InvalidInput naming the silo or round and the figures that contradict each other."""
    names = [silo.name for silo in facts.silos]
    if not names or len(set(names)) != len(names):
        _refuse("a statement needs silos of different names")
    for silo in facts.silos:
        _check_silo(silo)
        if silo.privacy is not None and (silo.users is not None) != (facts.unit == "User"):
            _refuse(f"silo {silo.name!r} says its number of users exactly when the unit is User")
    rounds = [entry.round for entry in facts.rounds]
    if rounds != sorted(set(rounds)) or any(number < 0 for number in rounds):
        _refuse("committed rounds must be listed once each, in order")
    for entry in facts.rounds:
        if not set(entry.members) <= set(names) or len(set(entry.members)) != len(entry.members):
            _refuse(f"round {entry.round} has members that are not silos of this job, or one of them twice")


def _check_silo(silo: SiloFacts) -> None:
    if silo.users is not None and not 1 <= silo.users <= silo.records:
        _refuse(f"silo {silo.name!r} has {silo.users} users and {silo.records} records")
    if silo.records < 1 or silo.manifest_version < 0:
        _refuse(f"silo {silo.name!r} needs at least one record and a manifest version")
    if silo.privacy is not None:
        _check_cost(silo.name, silo.privacy)


def _check_cost(name: str, privacy: PrivacyFacts) -> None:
    cost = privacy.cost
    if not 0 <= privacy.rounds_charged <= privacy.rounds_planned or privacy.steps_per_round < 1:
        _refuse(f"silo {name!r} was charged {privacy.rounds_charged} rounds of {privacy.rounds_planned} planned")
    if not cost.orders or len(cost.orders) != len(cost.round) or min(cost.round) < 0:
        _refuse(f"silo {name!r} needs one cost of at least 0 for each of its {len(cost.orders)} orders")
    if cost.total != tuple(one * privacy.rounds_charged for one in cost.round):
        _refuse(f"silo {name!r}: the total cost is not a round's cost times {privacy.rounds_charged} rounds charged")
    if not 0 < Fraction(privacy.sampling_rate) <= 1:
        _refuse(f"silo {name!r}: the sampling rate {privacy.sampling_rate} is not in (0, 1]")
    if not 0 < Decimal(privacy.job_delta) < 1 or not 0 < Decimal(privacy.ledger.limit_delta) < 1:
        _refuse(f"silo {name!r}: a delta must lie between 0 and 1")
    if privacy.ledger.head_index < 0 or Decimal(privacy.ledger.highest_epsilon) < Decimal(privacy.ledger.limit_epsilon):
        _refuse(f"silo {name!r}: the highest limit ever set is below the limit, or the ledger's head has no place")


def _refuse(message: str) -> None:
    raise InvalidInput(message, where="statement")
