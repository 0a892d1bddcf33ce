"""Shards that are resealed, split, merged and added to: no record's loss ever exceeds what its newest shard says."""

import sys
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from ledger_samples import OWNER, SILO, WRITER, charge_of, digest, reserve_of

from ringfence.privacy.ledger import Close, Limit, Open, ShardEntry, Shards, Writer, rules
from ringfence.privacy.ledger.envelope import Entry
from ringfence.privacy.orders import DEFAULT_ORDERS, limits, split_delta
from ringfence.signing import public_name

WAYS = ["fresh", "reseal", "split", "merge", "train", "train", "train on an old one"]
EPSILON, DELTA = Decimal(8), Decimal("0.000001")
COSTS = [tuple(range(1, 17)), tuple(range(16, 0, -1))]
"""Two costs of which neither is the larger one at every order."""


class House:
    """A ledger of rules only, and beside it each record: in which shards it is, and what every charge cost it."""

    def __init__(self):
        self.view = rules.begin(
            Entry(0, None, Open("ds-1", "Record", public_name(OWNER)), public_name(OWNER), digest("0"))
        )
        deltas = split_delta(DELTA, DEFAULT_ORDERS, None)
        allowed = limits(EPSILON, deltas, DEFAULT_ORDERS)
        text = tuple(format(each, "f") for each in deltas)
        self.say(Writer(public_name(WRITER), "operator"))
        self.say(Limit("8", format(DELTA, "f"), "rdp", DEFAULT_ORDERS, text, "", allowed))
        self.records, self.shards, self.current, self.jobs = {}, {}, [], 0

    def say(self, body, key=OWNER):
        index, previous = self.view.head.index + 1, self.view.head.hash
        self.view = rules.apply(self.view, Entry(index, previous, body, public_name(key), digest(str(index))))

    def register(self, parts, inherits):
        """Shards of the records in `parts`, all in one entry; their sources are not current any more."""
        names = [f"s{len(self.shards) + n}" for n in range(len(parts))]
        self.say(Shards(tuple(ShardEntry(name, inherits) for name in names)))
        self.shards |= dict(zip(names, map(frozenset, parts), strict=True))
        self.current = [name for name in self.current if name not in (inherits or ())] + names

    def fresh(self, count):
        new = range(len(self.records), len(self.records) + count)
        self.records |= {record: [0] * 16 for record in new}
        self.register([new], None)

    def train(self, shards, cost, charged, reserved):
        """A job that charges some of its rounds; afterwards it closes, unless `reserved` stays held."""
        self.jobs += 1
        job = f"job-{self.jobs}"
        self.say(reserve_of(job, rounds=3, cost=cost, shards=sorted(shards)), WRITER)
        for number in range(1, charged + 1):
            self.say(charge_of(job, number, cost=cost), SILO)
        touched = frozenset().union(*(self.shards[shard] for shard in shards))
        for record in touched:
            self.records[record] = [a + charged * b for a, b in zip(self.records[record], cost, strict=True)]
        if not reserved:
            self.say(Close(job, "mercy", ""), WRITER)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_record_lost_more_than_its_current_shard_says(data):
    house = House()
    house.fresh(4)
    house.fresh(2)
    for _ in range(data.draw(st.integers(1, 10))):
        some = data.draw(st.lists(st.sampled_from(house.current), min_size=1, max_size=3, unique=True))
        match data.draw(
            st.sampled_from(["fresh", "reseal", "split", "merge", "train", "train", "train on an old one"])
        ):
            case "fresh":
                house.fresh(2)
            case "reseal":
                house.register([house.shards[some[0]]], (some[0],))
            case "split":
                whole = sorted(house.shards[some[0]])
                house.register([whole[::2], whole[1::2]], (some[0],))
            case "merge":
                house.register([frozenset().union(*(house.shards[name] for name in some))], tuple(some))
            case way:
                names = some if way == "train" else [data.draw(st.sampled_from(sorted(house.shards)))]
                house.train(
                    names, data.draw(st.sampled_from(COSTS)), data.draw(st.integers(0, 3)), data.draw(st.booleans())
                )
        for name in house.current:
            spent = house.view.spent(name)
            for record in house.shards[name]:
                assert all(a <= b for a, b in zip(house.records[record], spent, strict=True)), (name, record)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(COSTS), st.integers(0, 3)), max_size=4), st.integers(1, 4))
def test_resealing_any_number_of_times_costs_and_forgives_nothing(jobs, times):
    house = House()
    house.fresh(3)
    for cost, charged in jobs:
        house.train(house.current, cost, charged, reserved=True)
        for _ in range(times):
            house.register([house.shards[house.current[0]]], (house.current[0],))
    (name,) = house.current
    assert list(house.view.spent(name)) == house.records[0]
    held = [sum((3 - charged) * cost[order] for cost, charged in jobs) for order in range(16)]
    assert list(house.view.reserved(name)) == held
