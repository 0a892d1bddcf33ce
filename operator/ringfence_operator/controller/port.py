"""The questions to ledgers and stores, as the controller asks them; answered in threads: stores are synchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from ringfence.spec.budget import PrivacyBudget
from ringfence_operator.ledgers import accepting, endorsing, reserving
from ringfence_operator.ledgers.credentials import Credentials, Kept
from ringfence_operator.ledgers.house import Asked, House
from ringfence_operator.ledgers.mirroring import Mirror, Mirrored
from ringfence_operator.manifests.secrets import Confidential
from ringfence_operator.seen import Accepted, Endorsed, Refused


class Port(Protocol):
    """Everything outside the cluster. Each method raises RingfenceError for a refusal, and may be called again."""

    @property
    def writer(self) -> str:
        """The operator's public key."""

    async def accept(self, asked: Asked) -> Accepted: ...

    async def reserve(self, asked: Asked) -> bool | Refused: ...

    async def close(self, uid: str, datasets: Mapping[str, str | None], reason: str) -> None: ...

    async def endorse(self, asked: Asked) -> Endorsed: ...

    async def confidential(self, kept: Kept) -> Confidential:
        """What goes into the Secret of an attempt; its store credentials exist when this returns."""

    async def revoke(self, uid: str, attempts: Mapping[str, int]) -> None:
        """Removes the store credentials of these parties' attempts, up to the numbers given."""

    async def sweep(self, wanted: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        """Removes store credentials that this operator made for nobody in `wanted()`: job uid -> party -> attempts so
        far. It is asked after the listing, so that whoever's status was written before its user was made is in it."""

    async def mirror(self, budget: PrivacyBudget) -> Mirrored: ...

    async def close_gone(self, budget: PrivacyBudget, uid: str) -> None: ...


class Ledgers:
    """The Port over real ledgers and stores."""

    def __init__(self, house: House, credentials: Credentials) -> None:
        self._house = house
        self._credentials = credentials
        self._mirror = Mirror(house)

    @property
    def writer(self) -> str:
        return self._house.public

    async def accept(self, asked: Asked) -> Accepted:
        return await asyncio.to_thread(accepting.accepted, self._house, asked)

    async def reserve(self, asked: Asked) -> bool | Refused:
        return await asyncio.to_thread(reserving.reserve, self._house, asked)

    async def close(self, uid: str, datasets: Mapping[str, str | None], reason: str) -> None:
        await asyncio.to_thread(reserving.close, self._house, uid, datasets, reason)

    async def endorse(self, asked: Asked) -> Endorsed:
        return await asyncio.to_thread(endorsing.endorse, self._house, asked)

    async def confidential(self, kept: Kept) -> Confidential:
        return await asyncio.to_thread(self._credentials.make, kept, self._house.keys(kept.uid, kept.silo))

    async def revoke(self, uid: str, attempts: Mapping[str, int]) -> None:
        await asyncio.to_thread(self._credentials.remove, uid, attempts)

    async def sweep(self, wanted: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        made = await asyncio.to_thread(self._credentials.made)
        if made:
            kept = {
                self._credentials.pair(uid, party, attempt)[0]
                for uid, parties in wanted().items()
                for party, last in parties.items()
                for attempt in range(1, last + 1)
            }
            await asyncio.to_thread(self._credentials.discard, made - kept)

    async def mirror(self, budget: PrivacyBudget) -> Mirrored:
        return await asyncio.to_thread(self._mirror.read, budget)

    async def close_gone(self, budget: PrivacyBudget, uid: str) -> None:
        await asyncio.to_thread(self._mirror.close_gone, budget, uid)
