"""A second reading of a ledger that shares no code with the first: it knows objects, JSON, SHA-256 and Ed25519.

`check` raises AssertionError unless the chain is whole, every signature holds, nothing was charged twice or outside an
open reservation, every reservation left some order within the limit in force, only the owner raised a limit or took the
ledger over, and every snapshot names what was spent so far.
"""

import base64
import hashlib
import json
from collections import defaultdict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(objects):
    """`objects` is {index: bytes}. Returns what was spent and what is held, in all, by shard."""
    assert sorted(objects) == list(range(len(objects))), "a gap"
    previous, limit, holders, charges, whose = None, None, {}, {}, None
    owner = json.loads(objects[0])["key"]
    spent, held = (defaultdict(lambda: [0] * 16) for _ in range(2))
    for index in range(len(objects)):
        document = json.loads(objects[index])
        signature = raw(document.pop("signature"))
        public = Ed25519PublicKey.from_public_bytes(raw(document["key"].removeprefix("ed25519:")))
        public.verify(signature, b"ringfence/ledger\x00" + canonical(document))
        assert document["index"] == index, "an entry in the wrong place"
        assert document["previous"] == previous, "a broken chain"
        previous = "sha256:" + hashlib.sha256(objects[index]).hexdigest()
        body, name = document["body"], (document["body"].get("job"), document["body"].get("silo"))
        match document["kind"]:
            case "limit":
                lower = limit is not None and all(a <= b for a, b in zip(body["limits"], limit, strict=True))
                assert lower or document["key"] == owner, "raised by another than the owner"
                limit = body["limits"]
            case "owner":
                assert whose is None or document["key"] == owner, "taken over by another than the owner"
                whose = body["identity"]
            case "snapshot":
                for block in body["blocks"]:
                    assert list(map(int, block["spent"].split())) == spent[block["name"]], "a false snapshot"
            case "reserve":
                assert name not in holders, "two open reservations of one job"
                holders[name] = (body, set(range(body["first"], body["first"] + body["rounds"])))
                assert not any((*name, number) in charges for number in holders[name][1]), "a charged round reserved"
                for shard in body["shards"]:
                    move(held[shard], body["cost"], body["rounds"])
                    total = [a + b for a, b in zip(spent[shard], held[shard], strict=True)]
                    assert any(a <= b for a, b in zip(total, limit, strict=True)), "overspent"
            case "charge":
                reserved, left = holders[name]
                assert document["key"] == reserved["silo_key"], "charged by another key"
                assert (*name, body["round"]) not in charges, "charged twice"
                assert body["cost"] == reserved["cost"], "another cost than reserved"
                left.remove(body["round"])
                charges[(*name, body["round"])] = body["digest"]
                for shard in reserved["shards"]:
                    move(held[shard], body["cost"], -1)
                    move(spent[shard], body["cost"], 1)
            case "close":
                reserved, left = holders.pop(name)
                for shard in reserved["shards"]:
                    move(held[shard], reserved["cost"], -len(left))
    return {"spent": spent, "held": held, "charges": charges, "owner": whose}


def move(total, cost, times):
    for order, value in enumerate(cost):
        total[order] += times * value
        assert total[order] >= 0, "given back more than was held"
