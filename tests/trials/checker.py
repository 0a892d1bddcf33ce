"""The verdict on a trial, from the objects in the bucket and from what clients were told: four counts that must be 0.

`overspent`: a reservation beyond the limit, a charge that nothing held back, releases that cost more than the limit.
`double charge`: a round charged twice. `second release`: two different byte strings left a silo for one round, or bytes
left that no charge before them names. `lost entry`: a client was told of an entry that is not in the chain, or an entry
has two versions, or a charged round ended with neither bytes nor a word on their absence. Beside them `broken`: the
chain does not verify, the product reads it otherwise or closed it without a cause, or an actor failed by a defect.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trials.bucket import Found
from trials.reading import Reading, digest, read, within

COUNTS = ("overspent", "double charge", "second release", "lost entry", "broken")
_UPDATE = re.compile(r"jobs/([^/]+)/rounds/(\d+)/updates/([^/]+)")
_CLOSED = ("LedgerTampered", "LedgerForked", "LedgerRolledBack", "LedgerMissing", "ConditionalWritesUnsupported")

Round = tuple[str, str, int]
Failure = tuple[str, str]


@dataclass(frozen=True)
class Evidence:
    """What is left of a trial. `before` holds, by dataset, the ledger as it was when it was put back from an old copy,
    and `seen` the index of the head that the witness remembered then (-1: none)."""

    objects: dict[str, Found]
    journal: list[dict[str, Any]]
    datasets: tuple[str, ...]
    before: dict[str, dict[int, bytes]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    crashed: tuple[str, ...] = ()


def judge(evidence: Evidence) -> list[Failure]:
    """Every rule that was broken, as (count, words)."""
    failures = [("broken", f"{actor} ended by a defect") for actor in evidence.crashed]
    for dataset in evidence.datasets:
        failures += [(kind, f"{dataset}: {words}") for kind, words in _dataset(evidence, dataset)]
    return failures


def _dataset(evidence: Evidence, dataset: str) -> Iterator[Failure]:
    found = entries_of(evidence.objects, dataset)
    reading = read({index: one.data for index, one in found.items()})
    before = evidence.before.get(dataset)
    if before is None:
        yield from reading.faults
        yield from (
            ("lost entry", f"entry {index} has two versions") for index, one in found.items() if one.versions > 1
        )
        yield from _closed_without_cause(evidence, dataset)
        yield from _read_otherwise(evidence, dataset, reading)
        readings = [reading]
    else:
        readings = [reading, read(before), *map(read, _continued(before, found))]
        for each in readings[1:]:
            yield from each.faults
        yield from (fault for fault in reading.faults if fault[0] != "broken")
        yield from _two_stories(evidence, dataset, readings[1])
    yield from _releases(evidence, dataset, readings, found)
    yield from _lost(evidence, dataset, readings)


def _continued(before: dict[int, bytes], found: dict[int, Found]) -> list[dict[int, bytes]]:
    """The chains of those who did not notice that the store was put back from an old copy, since they had read it just
    before: the entries before that, as far as what is there now follows them. Two may have gone on at different places.
    """
    chains = [dict(before)]
    for index in sorted(found):
        data = found[index].data
        link = json.loads(data)["previous"]
        for chain in list(chains):
            if data != chain.get(index) and index - 1 in chain and digest(chain[index - 1]) == link:
                branch = {at: kept for at, kept in chain.items() if at < index} | {index: data}
                chains = [branch if one is chain and max(chain) < index else one for one in chains]
                chains += [branch] if all(one is not branch for one in chains) else []
    return chains


def entries_of(objects: dict[str, Found], dataset: str) -> dict[int, Found]:
    """The entries of a ledger by index; other names beside them are none."""
    found = ((re.fullmatch(rf"{dataset}/ledger/(\d+)", name), one) for name, one in objects.items())
    return {int(name[1]): one for name, one in found if name}


def _releases(
    evidence: Evidence, dataset: str, readings: list[Reading], entries: dict[int, Found]
) -> Iterator[Failure]:
    """What left the silo for each round is one byte string, charged before, and all of it together within the limit."""
    left: dict[Round, set[str]] = defaultdict(set)
    stored: dict[Round, Found] = {}
    for name, one in evidence.objects.items():
        if (key := _round(name)) and key[1] == dataset:
            left[key].add(digest(one.data))
            stored[key] = one
            if one.versions > 1:
                yield ("second release", f"round {key[2]} of {key[0]} has {one.versions} versions")
    for event in evidence.journal:
        if event["event"] == "out" and (key := _round(event["key"])) and key[1] == dataset:
            left[key].add(event["digest"])
    for key, digests in left.items():
        charges = {reading.charges[key] for reading in readings if key in reading.charges}
        if len(digests) > 1:
            yield ("second release", f"{len(digests)} byte strings left for round {key[2]} of {key[0]}")
        elif not digests <= {charged for charged, _ in charges}:
            yield ("second release", f"bytes left for round {key[2]} of {key[0]} that no charge names")
        for _, index in charges:
            if len(readings) == 1 and key in stored and stored[key].when < entries[index].when:
                yield ("second release", f"the bytes of round {key[2]} of {key[0]} left before entry {index} paid")
    yield from _released_beyond(readings, set(left))
    yield from _commits(evidence, dataset)


def _released_beyond(readings: list[Reading], rounds: set[Round]) -> Iterator[Failure]:
    """The sum over all releases, from the entries that paid for them, on every shard."""
    highest = [max(each) for each in zip(*(reading.highest for reading in readings), strict=True)]
    totals: dict[str, list[int]] = defaultdict(lambda: [0] * len(highest))
    for key in rounds:
        paid = next((reading for reading in readings if key in reading.costs and key[:2] in reading.reservations), None)
        if paid is not None:
            for shard in paid.reached(paid.reservations[key[:2]].body["shards"]):
                totals[shard] = [a + b for a, b in zip(totals[shard], paid.costs[key], strict=True)]
    for shard, total in totals.items():
        if not within(total, highest):
            yield ("overspent", f"what was released cost more on {shard} than any limit ever allowed")


def _commits(evidence: Evidence, dataset: str) -> Iterator[Failure]:
    for name, one in evidence.objects.items():
        if name.endswith("/commit"):
            job = name.removesuffix(name.split("/", 2)[2])
            for update, told in json.loads(one.data).items():
                stored = evidence.objects.get(job + update)
                if update.endswith(f"/{dataset}") and (stored is None or digest(stored.data) != told):
                    yield ("second release", f"{name} was made of other bytes than those of {update}")


def _lost(evidence: Evidence, dataset: str, readings: list[Reading]) -> Iterator[Failure]:
    """What a client was told of is in the chain for good, or was before the store was put back."""
    owed: set[tuple[str, Round]] = set()
    for event in evidence.journal:
        if event["event"] == "ack" and event["dataset"] == dataset:
            index = event["index"]
            if not any(index < len(one.hashes) and one.hashes[index] == event["hash"] for one in readings):
                yield ("lost entry", f"{event['actor']} was told of entry {index}, which is not there")
            key = (event.get("charged", ""), dataset, event.get("round", 0))
            if key[0] and not any(one.charges.get(key, ("",))[0] == event["digest"] for one in readings):
                yield ("lost entry", f"{event['actor']} was told that round {key[2]} of {key[0]} is charged")
            owed.add((event["actor"], key))
        elif event["event"] == "round" and event["silo"] == dataset:
            key = (event["job"], dataset, event["round"])
            rounds = f"jobs/{key[0]}/rounds/{key[2]}"
            answers = {f"{rounds}/updates/{dataset}", f"{rounds}/absent/{dataset}"}
            if (event["actor"], key) in owed and not answers & evidence.objects.keys():
                yield ("lost entry", f"round {key[2]} of {key[0]} was charged and {event['actor']} left nothing for it")


def _two_stories(evidence: Evidence, dataset: str, before: Reading) -> Iterator[Failure]:
    """After a store was put back all clients are still told of one chain, with all in it that the witness had seen."""
    told = {index: before.hashes[index] for index in range(evidence.seen[dataset] + 1)}
    for event in evidence.journal:
        ack = event["event"] == "ack" and event["dataset"] == dataset
        if ack and told.setdefault(event["index"], event["hash"]) != event["hash"]:
            yield ("lost entry", f"{event['actor']} was told of another entry {event['index']} than the others")


def _closed_without_cause(evidence: Evidence, dataset: str) -> Iterator[Failure]:
    for event in evidence.journal:
        if event["event"] == "refused" and event["error"] in _CLOSED and f"/{dataset}" in event["text"]:
            yield ("broken", f"{event['actor']} found the ledger closed: {event['text']}")


def _read_otherwise(evidence: Evidence, dataset: str, reading: Reading) -> Iterator[Failure]:
    """The product's last view of the ledger says what this reading says."""
    final = [event for event in evidence.journal if event["event"] == "final" and event["dataset"] == dataset]
    if not final:
        yield ("broken", "the ledger could not be read at the end")
        return
    charged = {f"{job}/{round_}": told for (job, _, round_), (told, _) in reading.charges.items()}
    told = final[0]["charged"]
    if told.keys() != charged.keys() or any(one not in ("", charged[name]) for name, one in told.items()):
        yield ("broken", "the product reads other charges")
    zero = [0] * len(reading.limit)
    if any(spent != reading.spent.get(shard, zero) for shard, spent in final[0]["spent"].items()):
        yield ("broken", "the product reads another sum of what was spent")


def _round(name: str) -> Round | None:
    found = _UPDATE.fullmatch(name)
    return (found[1], found[3], int(found[2])) if found else None
