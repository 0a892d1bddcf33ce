"""Store credentials of an attempt. Provided: owners made them. Managed: users of a MinIO, made and removed here.

Access key and secret are HMACs of the operator's master key over (job uid, party, attempt): a crash between making the
user and making the Secret changes neither, and removing needs no memory of what was made.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ringfence import canonical
from ringfence.privacy.jobkeys import JobKeys
from ringfence.store.policies import Policy, coordinator_policy, silo_policy
from ringfence.store.provision import Provisioner
from ringfence_operator.manifests.secrets import Confidential
from ringfence_operator.seen import Accepted

_ACCESS = 20


@dataclass(frozen=True)
class Kept:
    """The party whose Secret is made; `silo` is "" for the coordinator."""

    uid: str
    silo: str
    attempt: int
    output: str
    accepted: Accepted
    holdout: str | None = None


@dataclass(frozen=True, repr=False)
class Credentials:
    """`provisioner` is None where owners provide the credentials."""

    master: bytes
    provisioner: Provisioner | None = None

    def make(self, kept: Kept, keys: JobKeys) -> Confidential:
        """What goes into the party's Secret; its user exists and may do exactly what the policy says."""
        if self.provisioner is None:
            return Confidential(keys.document())
        access, secret = self.pair(kept.uid, kept.silo, kept.attempt)
        self.provisioner.ensure_user(access, secret, access, _policy(kept))
        return Confidential(keys.document(), access, secret)

    def remove(self, uid: str, attempts: Mapping[str, int]) -> None:
        """Removes the users of all attempts so far; those that were never made are no error."""
        if self.provisioner is None:
            return
        for silo, last in attempts.items():
            for attempt in range(1, last + 1):
                access, _ = self.pair(uid, silo, attempt)
                self.provisioner.remove_user(access, access)

    def made(self) -> set[str]:
        """Access keys of all users that this operator ever made and that are there; no other operator's."""
        if self.provisioner is None:
            return set()
        mark = self._mark()
        return {name for name in self.provisioner.users() if name.startswith(mark) and len(name) == _ACCESS}

    def discard(self, orphans: Iterable[str]) -> None:
        """Removes users by their access keys."""
        if self.provisioner is not None:
            for access in sorted(orphans):
                self.provisioner.remove_user(access, access)

    def pair(self, uid: str, silo: str, attempt: int) -> tuple[str, str]:
        """Access key (20 characters, of which the first 6 are this operator's mark) and secret (40)."""
        access = self._mark() + self._mac("access", uid, silo, attempt)
        return access[:_ACCESS], self._mac("secret", uid, silo, attempt)[:40]

    def _mark(self) -> str:
        return self._mac("mark")[:6]

    def _mac(self, *what: str | int) -> str:
        return hmac.new(self.master, canonical.encode(["store credentials", *what]), hashlib.sha256).hexdigest()


def _policy(kept: Kept) -> Policy:
    silos = kept.accepted.silos
    if not kept.silo:
        datasets = [(pin.dataset, pin.ledger or pin.dataset) for pin in silos.values()]
        return coordinator_policy(output=kept.output, uid=kept.uid, datasets=datasets, holdout=kept.holdout)
    pin = silos[kept.silo]
    ledger = pin.ledger or pin.dataset
    return silo_policy(dataset=pin.dataset, ledger=ledger, output=kept.output, uid=kept.uid, silo=kept.silo)
