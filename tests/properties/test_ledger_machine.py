"""Several writers, any order, crashes, and a store that lies: whatever happens, the objects add up."""

import hashlib
import sys
from collections import deque
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from ledger_checker import check
from ledger_samples import OWNER, SILO, WRITER, BucketStore, Memory, charge_of, new_ledger, reserve_of

from ringfence.errors import LedgerError, RingfenceError, StoreError
from ringfence.privacy.ledger import Ledger, objects, operations

FAULTS = ["lost reply", "said taken", "conflict", "late", "lost"]
JOBS = ["job-1", "job-2"]
KEYS = {"o": OWNER, "w": WRITER}
IDENTITIES = ["kube:u-1/mercy/patients", "kube:u-2/mercy/patients"]


class LyingStore(BucketStore):
    """A versioned bucket in memory: atomic creates, but `faults` says what becomes of the next calls and answers."""

    def __init__(self):
        super().__init__()
        self.faults = deque()
        self.late = []

    def get(self, key):
        self._transient("read fails")
        return super().get(key)

    def original(self, key):
        self._transient("read fails")
        return super().original(key)

    def put_if_absent(self, key, data):
        fault = self.faults.popleft() if self.faults and self.faults[0] != "read fails" else ""
        if fault == "conflict":
            return False
        if fault == "late":
            self.late.append((key, data))
        if fault in ("late", "lost"):
            raise StoreError("timed out")
        created = super().put_if_absent(key, data)
        if fault == "lost reply":
            raise StoreError("connection reset")
        return created and fault != "said taken"

    def _transient(self, fault):
        if self.faults and self.faults[0] == fault:
            self.faults.popleft()
            raise StoreError("throttled")


class LedgerMachine(RuleBasedStateMachine):
    """Three processes with the keys of owner and operator, and silos, over one lying store."""

    @initialize()
    def begin(self):
        self.store = LyingStore()
        first = new_ledger(self.store, epsilon="3", shards=("s1", "s2"))
        self.pin = first.entry0
        self.processes = [first, self.opened(), self.opened()]
        self.acknowledged = {}
        self.memory = Memory()
        self.checked = 0

    def opened(self, **options):
        return Ledger.open(self.store, pin=self.pin, **options)

    def attempt(self, process, operation):
        """Runs one operation; a refusal is fine, a crash of ours is not. What was acknowledged is written down."""
        ledger = self.processes[process]
        try:
            operation(ledger)
        except (StoreError, LedgerError) as error:
            assert ledger.fault is None, error
        except RingfenceError as error:
            assert type(error).__name__ == "BudgetExhausted", error
        else:
            head = ledger.view.head
            self.acknowledged[head.index] = head.hash

    @rule(faults=st.lists(st.sampled_from([*FAULTS, "read fails"]), min_size=1, max_size=12))
    def the_store_will_lie(self, faults):
        self.store.faults = deque(faults)

    @rule(which=st.integers(0, 3))
    def a_lost_put_arrives(self, which):
        if self.store.late:
            key, data = self.store.late.pop(which % len(self.store.late))
            BucketStore.put_if_absent(self.store, key, data)

    @rule(process=st.integers(0, 2))
    def a_process_crashes_and_starts_again(self, process):
        self.store.faults.clear()
        self.processes[process] = self.opened(witness=self.memory)

    @rule(
        process=st.integers(0, 2),
        job=st.sampled_from(JOBS),
        first=st.integers(1, 4),
        rounds=st.integers(1, 4),
        unit=st.sampled_from([1, 10_000, 60_000]),
        shards=st.sampled_from([("s1",), ("s2",), ("s1", "s2")]),
    )
    def reserve(self, process, job, first, rounds, unit, shards):
        body = reserve_of(job, first=first, rounds=rounds, unit=unit, shards=shards)
        self.attempt(process, lambda ledger: operations.reserve(ledger, WRITER, body))

    @rule(process=st.integers(0, 2), job=st.sampled_from(JOBS), ahead=st.integers(0, 2), text=st.sampled_from("xxxy"))
    def charge(self, process, job, ahead, text):
        held = self.processes[process].view.reservations.get((job, "mercy"))
        cost = held.reserve.cost if held else charge_of().cost
        number = (held.reserve.first + len(held.charged) if held else 1) + ahead - 1
        body = charge_of(job, max(0, number), bytes_=text, cost=cost)
        self.attempt(process, lambda ledger: operations.charge(ledger, SILO, body))

    @rule(process=st.integers(0, 2), job=st.sampled_from(JOBS))
    def close(self, process, job):
        self.attempt(process, lambda ledger: operations.close(ledger, WRITER, job=job, silo="mercy", reason="a test"))

    @rule(process=st.integers(0, 2), job=st.sampled_from(JOBS))
    def a_job_comes_back(self, process, job):
        """It closes what it holds and asks for all its rounds again, as if none of them had been charged."""
        self.close(process, job)
        self.reserve(process, job, 1, 4, 1, ("s1",))

    @rule(process=st.integers(0, 2), epsilon=st.sampled_from(["1", "2", "3", "5"]), by=st.sampled_from("ow"))
    def limit(self, process, epsilon, by):
        def change(ledger):
            operations.set_limit(ledger, KEYS[by], epsilon=Decimal(epsilon), reason="a test")

        self.attempt(process, change)

    @rule(process=st.integers(0, 2), by=st.sampled_from("ow"))
    def snapshot(self, process, by):
        self.attempt(process, lambda ledger: operations.snapshot(ledger, KEYS[by]))

    @rule(process=st.integers(0, 2), whose=st.sampled_from(IDENTITIES), by=st.sampled_from("ow"))
    def ownership(self, process, whose, by):
        self.attempt(process, lambda ledger: operations.transfer(ledger, KEYS[by], whose))

    @rule(which=st.integers(0, 60), data=st.sampled_from([None, b"garbage"]))
    def somebody_deletes_or_overwrites(self, which, data):
        """The bucket keeps every version, so neither changes the ledger."""
        there = [key for key in self.store.history if key not in (objects.HINT, "ledger/0")]
        self.store.put(there[which % len(there)], data)

    @rule(data=st.sampled_from([None, b"garbage", b'{"snapshot":1}', b'{"snapshot":9}', b'{"snapshot":4000}']))
    def somebody_changes_the_hint(self, data):
        self.store.put(objects.HINT, data)

    @invariant()
    def the_objects_add_up(self):
        if not hasattr(self, "acknowledged"):
            return
        entries = {
            int(key.partition("/")[2]): next(data for data in known if data is not None)
            for key, known in self.store.history.items()
            if "ledger/" in key and key != objects.HINT
        }
        found = check(entries)
        faults, self.store.faults = self.store.faults, deque()
        view = self.opened(whole=True).view
        if view.snapshots and view.head.index != self.checked:
            self.checked = view.head.index
            assert self.opened().view == view, "a believed snapshot of the owner says something else"
            assert self.opened(witness=self.memory).view == view, "a remembered snapshot says something else"
        self.store.faults = faults
        for shard in ("s1", "s2"):
            assert list(view.spent(shard)) == found["spent"][shard]
            assert list(view.reserved(shard)) == found["held"][shard]
        by_round = {(*name, number): text for name, each in view.charged.items() for number, text in each.items()}
        assert by_round.items() <= found["charges"].items()
        past = {
            (*name, n) for name, one in view.past.items() for first, last in one.rounds for n in range(first, last + 1)
        }
        assert by_round.keys() | past == found["charges"].keys()
        assert view.owner_identity == found["owner"]
        for index, digest in self.acknowledged.items():
            assert objects_hash(entries[index]) == digest, "an acknowledged entry was lost"


def objects_hash(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(objects, "_PAUSE", 0)


def test_whatever_happens_the_objects_add_up():
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        ),
    )
