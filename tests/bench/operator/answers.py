"""What ledgers and stores would answer, at once: neither is measured here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from support.operator_jobs import KEY, accepted

from ringfence.errors import StoreError
from ringfence.spec.budget import PrivacyBudget
from ringfence_operator.ledgers.credentials import Kept
from ringfence_operator.ledgers.house import Asked
from ringfence_operator.ledgers.mirroring import Mirrored
from ringfence_operator.manifests.secrets import Confidential
from ringfence_operator.seen import Accepted, Endorsed, Refused


class Answers:
    """The controller's Port without anything behind it."""

    writer = KEY

    async def accept(self, asked: Asked) -> Accepted:
        return accepted(("mercy",))

    async def reserve(self, asked: Asked) -> bool | Refused:
        return True

    async def close(self, uid: str, datasets: Mapping[str, str | None], reason: str) -> None:
        return

    async def endorse(self, asked: Asked) -> Endorsed:
        return Endorsed(asked.job.spec.rounds, None, {})

    async def confidential(self, kept: Kept) -> Confidential:
        return Confidential("{}")

    async def revoke(self, uid: str, attempts: Mapping[str, int]) -> None:
        return

    async def sweep(self, wanted: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        return

    async def mirror(self, budget: PrivacyBudget) -> Mirrored:
        raise StoreError("no ledger is measured here")

    async def close_gone(self, budget: PrivacyBudget, uid: str) -> None:
        return
