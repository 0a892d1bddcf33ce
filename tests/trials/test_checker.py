"""The checker sees each thing it is for: objects that no honest writer leaves, signed with the right keys."""

from __future__ import annotations

import pytest
from trials import world
from trials.bucket import Found
from trials.checker import Evidence, judge
from trials.reading import digest
from trials.scenario import Job, draw

from ringfence.privacy.ledger import Charge, Close
from ringfence.privacy.ledger.envelope import new_id, write
from ringfence.privacy.ledger.fields import Body

SCENARIO = draw(1, minio=False)
JOB = Job("job-0", 2, ("mercy",), ("s1", "s3"))
COST = world.cost_of_a_round("mercy", SCENARIO.capacity)
BYTES = [b"the bytes of round 1", b"the bytes of round 2"]
WRITER, SILO = world.writer_of("controller-1"), world.silo_key("job-0", "mercy")


class Chain:
    """A ledger written by hand, without any rule, and a bucket around it."""

    def __init__(self) -> None:
        self.entries = [data for name, data in sorted(world.ledger_objects("mercy").items()) if name[-1].isdigit()]
        self.updates: dict[int, bytes] = {}
        self.journal: list[dict] = []
        self.versions = 1

    def add(self, body: Body, key) -> Chain:
        index, previous = len(self.entries), digest(self.entries[-1])
        self.entries.append(write(body, key, index=index, previous=previous, entry_id=new_id()))
        return self

    def reserve(self, job: Job = JOB, first: int = 1) -> Chain:
        return self.add(world.reserve_of(SCENARIO, job, "mercy", first), WRITER)

    def charge(self, round_: int, data: bytes | None = None, **changes) -> Chain:
        body = {"digest": digest(data or BYTES[round_ - 1]), "cost": COST, **changes}
        return self.add(Charge("job-0", "mercy", round_, **body), SILO)

    def close(self) -> Chain:
        return self.add(Close("job-0", "mercy", ""), WRITER)

    def publish(self, round_: int, data: bytes | None = None) -> Chain:
        self.updates[round_] = data or BYTES[round_ - 1]
        return self

    def tell(self, **event) -> Chain:
        self.journal.append({"actor": "somebody", "dataset": "mercy", **event})
        return self

    def failures(self) -> list[tuple[str, str]]:
        """The verdict, without what the finisher would have told."""
        objects = {f"mercy/ledger/{n}": Found(data, n, self.versions) for n, data in enumerate(self.entries)}
        for round_, data in self.updates.items():
            objects[f"jobs/job-0/rounds/{round_}/updates/mercy"] = Found(data, 100)
        found = judge(Evidence(objects, self.journal, ("mercy",)))
        return [(kind, words) for kind, words in found if "could not be read at the end" not in words]


def out(round_: int, data: bytes) -> dict:
    return {"event": "out", "key": f"jobs/job-0/rounds/{round_}/updates/mercy", "digest": digest(data)}


def test_an_honest_ledger_has_no_failures():
    chain = Chain().reserve().charge(1).publish(1).tell(**out(1, BYTES[0])).close().reserve(first=2).charge(2).close()
    assert chain.failures() == []


OVER = Job("job-0", SCENARIO.capacity + 1, ("mercy",), ("s1",))

BAD = {
    "beyond the limit": ("overspent", lambda c: c.reserve(OVER)),
    "two open reservations": ("overspent", lambda c: c.reserve().reserve()),
    "charged after the close": ("overspent", lambda c: c.reserve().close().charge(1)),
    "charged without a reservation": ("overspent", lambda c: c.charge(1)),
    "a round that was not reserved": ("overspent", lambda c: c.reserve(first=2).charge(1)),
    "another cost": ("overspent", lambda c: c.reserve().charge(1, cost=tuple(x - 1 for x in COST))),
    "charged twice": ("double charge", lambda c: c.reserve().charge(1).charge(1)),
    "charged twice for other bytes": ("double charge", lambda c: c.reserve().charge(1).charge(1, b"others")),
    "a charged round reserved again": ("double charge", lambda c: c.reserve().charge(1).close().reserve()),
    "released without a charge": ("second release", lambda c: c.reserve().publish(1)),
    "released other bytes": ("second release", lambda c: c.reserve().charge(1).publish(1, b"others")),
    "two strings left": ("second release", lambda c: c.reserve().charge(1).publish(1).tell(**out(1, b"others"))),
    "told of another entry": ("lost entry", lambda c: c.tell(event="ack", index=3, hash="sha256:0")),
    "told of an entry beyond the end": ("lost entry", lambda c: c.tell(event="ack", index=30, hash="sha256:0")),
    "a gap": ("broken", lambda c: c.entries.insert(4, b"") or c),
    "a flipped byte": ("broken", lambda c: c.entries.append(c.entries.pop().replace(b"limit", b"timil")) or c),
    "signed by a stranger": ("overspent", lambda c: c.add(world.reserve_of(SCENARIO, JOB, "mercy", 1), SILO)),
    "closed by a stranger": ("broken", lambda c: c.reserve().add(Close("job-0", "mercy", ""), SILO)),
    "closed without a cause": (
        "broken",
        lambda c: c.tell(event="refused", error="LedgerForked", text="file:///x/mercy/ledger/7: beyond a gap"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_must_not_be_is_found(name):
    kind, build = BAD[name]
    assert kind in {found for found, _ in build(Chain()).failures()}


def test_an_overwritten_entry_is_found():
    chain = Chain()
    chain.versions = 2
    assert {kind for kind, _ in chain.failures()} == {"lost entry"}


def test_an_heir_counts_what_its_source_spends():
    """s2 inherits from s1: what is reserved on both together is more than the limit allows on s2."""
    half = SCENARIO.capacity // 2 + 1
    first, second = Job("job-0", half, ("mercy",), ("s1",)), Job("job-1", half, ("mercy",), ("s2",))
    assert "overspent" in {kind for kind, _ in Chain().reserve(first).reserve(second).failures()}
