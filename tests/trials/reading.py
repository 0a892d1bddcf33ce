"""A reading of one ledger's objects that shares no code with the product: JSON, SHA-256, Ed25519 and sums."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Vector = list[int]


@dataclass
class Held:
    """A reservation and the rounds that it still pays for."""

    body: dict[str, Any]
    key: str
    left: set[int]
    open: bool = True


@dataclass
class Reading:
    """What a ledger's entries say, and every rule that they break, as (what is wrong, words)."""

    hashes: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    owner: str = ""
    writers: set[str] = field(default_factory=set)
    limit: Vector = field(default_factory=list)
    highest: Vector = field(default_factory=list)
    heirs: dict[str, set[str]] = field(default_factory=dict)
    spent: dict[str, Vector] = field(default_factory=dict)
    held: dict[str, Vector] = field(default_factory=dict)
    reservations: dict[tuple[str, str], Held] = field(default_factory=dict)
    charges: dict[tuple[str, str, int], tuple[str, int]] = field(default_factory=dict)
    costs: dict[tuple[str, str, int], Vector] = field(default_factory=dict)

    def reached(self, shards: list[str]) -> set[str]:
        """The named shards and all that inherit from them."""
        found = set(shards)
        while more := {heir for heir, sources in self.heirs.items() if sources & found} - found:
            found |= more
        return found

    def fault(self, kind: str, words: str) -> None:
        self.faults.append((kind, f"entry {len(self.hashes) - 1}: {words}"))


def digest(data: bytes) -> str:
    """`sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read(objects: dict[int, bytes]) -> Reading:
    """Reads the entries from 0 to the first gap."""
    reading = Reading()
    for index in range(len(objects)):
        if index not in objects:
            reading.faults.append(("broken", f"entry {index} is missing and entry {max(objects)} is there"))
            break
        document = _document(reading, index, objects[index])
        reading.hashes.append(digest(objects[index]))
        if document is None:
            break
        _apply(reading, document)
    return reading


def within(total: Vector, limit: Vector) -> bool:
    """Whether at least one order's sum is within its limit."""
    return any(a <= b for a, b in zip(total, limit, strict=True))


def _document(reading: Reading, index: int, data: bytes) -> dict[str, Any] | None:
    """The entry, if it is well-formed, in its place, and signed by the key that it names."""
    try:
        document = json.loads(data)
        signature = _raw(document.pop("signature"))
        public = Ed25519PublicKey.from_public_bytes(_raw(document["key"].removeprefix("ed25519:")))
        public.verify(signature, b"ringfence/ledger\x00" + _canonical(document))
        previous = reading.hashes[-1] if reading.hashes else None
        if (document["index"], document["previous"]) != (index, previous):
            raise ValueError("it does not follow the entry before it")
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
        reading.faults.append(("broken", f"entry {index}: {type(error).__name__} {error}"))
        return None
    return document


def _apply(reading: Reading, document: dict[str, Any]) -> None:
    body, key, kind = document["body"], document["key"], document["kind"]
    if kind == "open":
        reading.owner = body["owner"]
    if kind in ("open", "limit", "writer", "shards", "noop") and key != reading.owner:
        reading.fault("broken", f"a {kind} that the owner did not sign")
    if kind == "snapshot" and key not in (reading.owner, *reading.writers):
        reading.fault("broken", "a snapshot by a stranger")
    match kind:
        case "limit":
            reading.limit = body["limits"]
            highest = reading.highest or [0] * len(reading.limit)
            reading.highest = [max(pair) for pair in zip(highest, reading.limit, strict=True)]
        case "writer":
            reading.writers.add(body["key"])
        case "shards":
            reading.heirs |= {shard["id"]: set(shard["inherits"] or ()) for shard in body["shards"]}
        case "reserve":
            _reserve(reading, body, key)
        case "charge":
            _charge(reading, body, key)
        case "close":
            _close(reading, body, key)


def _reserve(reading: Reading, body: dict[str, Any], key: str) -> None:
    name = (body["job"], body["silo"])
    if key not in (reading.owner, *reading.writers):
        reading.fault("overspent", "reserved by a stranger")
    if any(held.open and held.body["job"] == body["job"] for held in reading.reservations.values()):
        reading.fault("overspent", f"a second open reservation of {body['job']}")
    rounds = set(range(body["first"], body["first"] + body["rounds"]))
    if any((*name, round_) in reading.charges for round_ in rounds):
        reading.fault("double charge", f"a charged round of {body['job']} is reserved again")
    reading.reservations[name] = Held(body, key, rounds)
    for shard in reading.reached(body["shards"]):
        held = _move(reading.held, shard, body["cost"], len(rounds))
        spent = _move(reading.spent, shard, body["cost"], 0)
        if not within([a + b for a, b in zip(held, spent, strict=True)], reading.limit):
            reading.fault("overspent", f"{body['job']} was admitted beyond the limit on {shard}")


def _charge(reading: Reading, body: dict[str, Any], key: str) -> None:
    name, round_ = (body["job"], body["silo"]), body["round"]
    held = reading.reservations.get(name)
    if held is None or not held.open:
        reading.fault("overspent", f"round {round_} of {body['job']} is charged after the close of its reservation")
    elif key != held.body["silo_key"] or body["cost"] != held.body["cost"]:
        reading.fault("overspent", f"round {round_} of {body['job']} is charged by another key or at another cost")
    if (*name, round_) in reading.charges:
        reading.fault("double charge", f"round {round_} of {body['job']} is charged twice")
    elif held and held.open and round_ not in held.left:
        reading.fault("overspent", f"round {round_} of {body['job']} was not reserved")
    reading.charges.setdefault((*name, round_), (body["digest"], len(reading.hashes) - 1))
    reading.costs.setdefault((*name, round_), body["cost"])
    if held is None:
        return
    for shard in reading.reached(held.body["shards"]):
        spent = _move(reading.spent, shard, body["cost"], 1)
        if held.open and round_ in held.left:
            _move(reading.held, shard, body["cost"], -1)
        if not within(spent, reading.highest):
            reading.fault("overspent", f"more is charged on {shard} than any limit ever allowed")
    held.left.discard(round_)


def _close(reading: Reading, body: dict[str, Any], key: str) -> None:
    held = reading.reservations.get((body["job"], body["silo"]))
    if held is None or key not in (held.key, reading.owner):
        reading.fault("broken", f"{body['job']} is closed by one who did not reserve")
    elif held.open:
        for shard in reading.reached(held.body["shards"]):
            _move(reading.held, shard, held.body["cost"], -len(held.left))
        held.open, held.left = False, set()


def _move(totals: dict[str, Vector], shard: str, cost: Vector, times: int) -> Vector:
    total = totals.setdefault(shard, [0] * len(cost))
    for order, value in enumerate(cost):
        total[order] += times * value
    return total


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
