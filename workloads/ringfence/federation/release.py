"""What a silo's ledger and bucket see of a round: stage, charge, publish, once (PROTOCOL section 4).

Nothing here knows a row or a model: what is released is bytes. Each step is safe to repeat in another process of the
same silo, after a crash or beside the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence import canonical
from ringfence.errors import LedgerError, ObjectNotFound
from ringfence.federation import layout, rounds
from ringfence.federation.once import create
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.entries import Charge
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.keys import Kek
from ringfence.store.interface import Store

_NONCE = bytes(12)


@dataclass(frozen=True)
class Release:
    """The releases of one silo in one job. `key` is the silo's of this job; `dataset` and `job` are where the silo's
    staging and the job's rounds lie."""

    uid: str
    silo: str
    key: Ed25519PrivateKey
    kek: Kek
    dataset: Store
    job: Store
    ledger: Ledger

    def once(self, round_: int, compute: Callable[[], bytes]) -> bool:
        """Releases the round's bytes, charged before; whether this call published them.

        `compute` makes them, and is called only while the round is uncharged: bytes that were charged and lost are sat
        out, never made again. Raises LedgerError when the ledger refuses the charge, and StoreError; both release
        nothing, and a repeated call goes on where this one stopped.
        """
        charged = self._charged(round_)
        if charged is None and round_ in self.ledger.view.charged_rounds(self.uid, self.silo):
            return False  # so long ago that the ledger no longer tells for which bytes
        if charged is None:
            inner = compute()
            self._stage(round_, inner)
            if self.job.exists(layout.commit(round_)):
                return False
            charged = self._charge(round_, canonical.digest(inner))
        return self._publish(round_, charged)

    def clear(self, round_: int) -> None:
        """Throws away what is staged for a round that is over; before a charge nothing is, since another process of
        this silo may be about to charge its own."""
        for staged in self.dataset.list(layout.staging(self.uid, round_)):
            self.dataset.delete(staged.key)

    def charges(self) -> Mapping[int, str]:
        """The digests of all charged rounds, as the ledger was last read."""
        return self.ledger.view.charged.get((self.uid, self.silo), {})

    def _charged(self, round_: int) -> str | None:
        """The digest that the ledger holds for this round, if it was charged."""
        self.ledger.refresh()
        return self.charges().get(round_)

    def _stage(self, round_: int, inner: bytes) -> None:
        """Puts the bytes in the private prefix, encrypted once more: until they are charged only the KEK reads them."""
        digest = canonical.digest(inner)
        sealed = AESGCM(self._staging_key(round_, digest)).encrypt(_NONCE, inner, digest.encode())
        self.dataset.put(layout.staging(self.uid, round_, digest), sealed)

    def _charge(self, round_: int, digest: str) -> str:
        """Appends the charge; the digest that the ledger now holds: another's, if a second process charged first."""
        held = self.ledger.view.reservations.get((self.uid, self.silo))
        if held is None:  # never made, or closed so long ago that a snapshot has forgotten it
            raise LedgerError(f"job {self.uid} holds no reservation", where=f"{self.ledger.store.url}/ledger")
        body = Charge(self.uid, self.silo, round_, digest, held.reserve.cost)
        try:
            operations.charge(self.ledger, self.key, body)
        except LedgerError:
            charged = self._charged(round_)
            if charged is None:
                raise
            return charged
        return digest

    def _publish(self, round_: int, digest: str) -> bool:
        """Releases exactly the bytes that were charged, or says that they are lost and the round is sat out."""
        update = layout.update(round_, self.silo)
        try:
            sealed = self.dataset.get(layout.staging(self.uid, round_, digest))
            inner = AESGCM(self._staging_key(round_, digest)).decrypt(_NONCE, sealed, digest.encode())
        except (ObjectNotFound, InvalidTag):  # altered bytes are lost bytes
            if not self.job.exists(update):  # else a second process of this silo released them and cleared up
                note = rounds.absence(self.uid, round_, self.silo, self.key)
                create(self.job, layout.absence(round_, self.silo), note)
            return False
        return create(self.job, update, inner)

    def _staging_key(self, round_: int, digest: str) -> bytes:
        """One key for one content: (job, round, digest) never recurs with other bytes, so the nonce may be zero."""
        return self.kek.derive(canonical.encode(["staging", self.uid, round_, digest]))
