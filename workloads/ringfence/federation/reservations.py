"""A laptop job's reservations: taken with the owners' own keys, since holding one is consent; closed at its end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import signing
from ringfence.acceptance import reserving
from ringfence.acceptance.accept import require_room
from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.acceptance.reserving import Parties
from ringfence.errors import InvalidInput, KeyRejected, LedgerError, LedgerOwned
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.keys import load_kek, load_signer
from ringfence.spec.budget import PrivacyBudget


def key_file(keys: Path | None, budget: PrivacyBudget) -> Path:
    """Where a silo's KEK lies under `--keys DIR`: `DIR/<namespace>/<keySecretRef.name>`. Raises InvalidInput."""
    if keys is None:
        raise InvalidInput("private silos need their owners' keys", remedy="name their folder with --keys DIR")
    return keys / budget.metadata.namespace / budget.spec.key_secret_ref.name


def owner_key(keys: Path | None, one: Participant) -> Ed25519PrivateKey:
    """The owner's signing key, `<key file>.sign`. Raises KeyRejected when it is not the dataset's owner's."""
    if one.budget is None:
        raise LedgerError("a public dataset has no ledger")
    path = key_file(keys, one.budget)
    path = path.with_name(path.name + ".sign")
    key = load_signer(path)
    if signing.public_name(key) != one.manifest.owner:
        raise KeyRejected(f"not the key of the owner of {one.url}", where=str(path))
    return key


def check(acceptance: Acceptance, keys: Path | None) -> None:
    """Everything that `reserve` would refuse, with nothing written: room in every budget, and the owners' keys."""
    require_room(acceptance)
    for one in acceptance.private:
        if one.budget is not None:
            load_kek(key_file(keys, one.budget))
            _refuse_other_owner(one, owner_key(keys, one))


def reserve(
    acceptance: Acceptance,
    uid: str,
    first: int,
    keys: Path | None,
    public: Callable[[str], PublicKeys],
    coordinator: PublicKeys,
) -> None:
    """Reserve the rounds from `first` on in every ledger, or none; silos that hold theirs already are left alone.

    Raises BudgetExhausted, before anything is written, when a budget has no room.
    """
    rounds = acceptance.job.spec.rounds
    if first > rounds:
        return
    waiting = [one for one in acceptance.private if one.ledger and not holds(one, uid)]
    require_room(acceptance, holding=lambda one: holds(one, uid))
    requests = []
    for one in waiting:
        if one.ledger is None or one.plan is None or one.budget is None:
            continue
        owner = owner_key(keys, one)
        prepare_ledger(one.ledger, one.budget, owner)
        body = reserving.reservation(acceptance, one, uid, first, Parties(public(one.silo), coordinator))
        if body is None:
            continue
        requests.append((one.ledger, owner, body))
    operations.reserve_all(requests)


def prepare_ledger(ledger: Ledger, budget: PrivacyBudget, owner: Ed25519PrivateKey) -> None:
    """Claims the ledger for this user where nobody has, and lowers its limit to the budget's.

    The owner's key could transfer a ledger that a cluster's PrivacyBudget owns; `check` has refused that, because a
    transfer is a deliberate act.
    """
    operations.claim(ledger, owner, _identity(owner))
    limit = ledger.view.limit
    if limit is not None and Decimal(budget.spec.epsilon) < Decimal(limit.epsilon):
        operations.set_limit(
            ledger, owner, epsilon=Decimal(budget.spec.epsilon), reason="lowered in the PrivacyBudget manifest"
        )


def _refuse_other_owner(one: Participant, owner: Ed25519PrivateKey) -> None:
    identity = one.ledger.view.owner_identity if one.ledger else None
    if identity not in (None, _identity(owner)):
        raise LedgerOwned(
            f"the ledger belongs to {identity}",
            where=one.url,
            remedy="run the job there, or let its owner transfer the ledger",
        )


def _identity(owner: Ed25519PrivateKey) -> str:
    return f"key:{signing.public_name(owner)}"


def close(acceptance: Acceptance, uid: str, keys: Path | None, reason: str) -> None:
    """Give back what was never charged, in every ledger."""
    for one in acceptance.private:
        if one.ledger is not None:
            one.ledger.refresh()
            if holds(one, uid):
                operations.close(one.ledger, owner_key(keys, one), job=uid, silo=one.silo, reason=reason)


def holds(one: Participant, uid: str) -> bool:
    """Whether the silo's reservation for this job is open."""
    found = one.ledger.view.reservations.get((uid, one.silo)) if one.ledger else None
    return found is not None and found.open
