"""A checker that knows only the objects in the buckets: what was charged, what was published, what is left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cluster.reached import Cluster
from minio import Minio

from ringfence import canonical
from ringfence.demo import jobs


@dataclass(frozen=True)
class Buckets:
    """The store, read by its administrator."""

    client: Minio

    @staticmethod
    def of(cluster: Cluster) -> Buckets:
        place = urlsplit(cluster.store)
        secure = place.scheme == "https"
        return Buckets(Minio(place.netloc, cluster.access, cluster.secret, secure=secure, region="us-east-1"))

    def names(self, bucket: str, prefix: str) -> list[str]:
        return [str(one.object_name) for one in self.client.list_objects(bucket, prefix=prefix, recursive=True)]

    def read(self, bucket: str, name: str) -> bytes:
        answer = self.client.get_object(bucket, name)
        try:
            return answer.read()
        finally:
            answer.close()

    def entries(self, airport: str) -> list[dict[str, Any]]:
        """Every entry of an airport's ledger, as plain JSON, in its order. An entry has one version."""
        bucket, prefix = f"{airport}-ledgers", "flights/ledger/"
        listed = list(self.client.list_objects(bucket, prefix=prefix, recursive=True, include_version=True))
        assert len({one.object_name for one in listed}) == len(listed), f"{airport}: an entry was written twice"
        numbers = sorted(int(str(one.object_name).removeprefix(prefix)) for one in listed)
        return [json.loads(self.read(bucket, f"{prefix}{number}")) for number in numbers]

    def charges(self, airport: str, uid: str) -> dict[int, dict[str, Any]]:
        """A job's charges by round; no round has two."""
        bodies = [one["body"] for one in self.entries(airport) if one["kind"] == "charge"]
        mine = [body for body in bodies if body["job"] == uid]
        assert len({body["round"] for body in mine}) == len(mine), f"{airport}: a round was charged twice"
        return {body["round"]: body for body in mine}


def check(buckets: Buckets, airports: tuple[str, ...], uid: str, rounds: int) -> None:
    """What was published is what was charged, once; every reservation is closed and no staged bytes are left."""
    published = buckets.names(jobs.TEAM, f"models/{uid}/rounds/")
    for airport in airports:
        charges = buckets.charges(airport, uid)
        assert set(charges) <= set(range(1, rounds + 1))
        for round_ in range(1, rounds + 1):
            name = f"models/{uid}/rounds/{round_}/updates/{airport}"
            if name in published:
                found = canonical.digest(buckets.read(jobs.TEAM, name))
                assert found == charges[round_]["digest"], f"{airport}: released in round {round_} what was not charged"
        kinds = [one["kind"] for one in buckets.entries(airport) if one.get("body", {}).get("job") == uid]
        assert kinds.count("reserve") == kinds.count("close"), f"{airport}: a reservation is open"
        assert not buckets.names(airport, f"flights/staging/{uid}/"), f"{airport}: bytes are left in staging"
