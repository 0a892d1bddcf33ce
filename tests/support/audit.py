"""A checker that knows only the objects in the buckets: ledgers, commits and published updates of a job."""

from __future__ import annotations

import json
from pathlib import Path

from support.hospitals import House

from ringfence import canonical


def check_job(house: House, uid: str, rounds: int) -> None:
    """One charge a round and silo, and what was published is what was charged; nothing is left reserved or staged."""
    for silo in house.silos:
        view = house.view(silo)
        charges = charged(house, silo, uid)
        assert sorted(charges) == sorted(set(charges)), f"{silo}: a round was charged twice"
        assert not view.open_reservations(), f"{silo}: a reservation is open"
        digests = view.charged.get((uid, silo), {})
        assert set(charges) == set(digests)
        total = [sum(costs) for costs in zip(*(e["body"]["cost"] for e in charge_entries(house, silo)), strict=True)]
        assert all(list(view.spent(shard)) == total for shard in view.blocks), (
            f"{silo}: spent is not the sum of charges"
        )
        for round_ in range(1, rounds + 1):
            path = output(house, uid) / "rounds" / str(round_) / "updates" / silo
            if path.exists():
                assert canonical.digest(path.read_bytes()) == digests[round_], f"{silo}: released what was not charged"
        assert not list((bucket(house, silo) / "staging").glob("*/*/*")), f"{silo}: bytes are left in staging"


def charged(house: House, silo: str, uid: str) -> list[int]:
    """The rounds of every charge object in a silo's ledger, read as plain JSON."""
    return [e["body"]["round"] for e in charge_entries(house, silo) if e["body"]["job"] == uid]


def charge_entries(house: House, silo: str) -> list[dict]:
    """All charge objects of a silo's ledger."""
    entries = [json.loads(path.read_bytes()) for path in (bucket(house, silo) / "ledger").iterdir()]
    return [entry for entry in entries if entry["kind"] == "charge"]


def output(house: House, uid: str) -> Path:
    return house.root / "store/research/models/readmission" / uid


def bucket(house: House, silo: str) -> Path:
    return house.root / "store" / silo / "readmissions"
