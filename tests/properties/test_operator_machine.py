"""Two operators over one tiny API server: stale reads, lost writes, lost answers, crashes, restarts, in any order.

Never two clusters for one attempt; never a reservation left open at a terminal job; never a child left; and whatever
happened, a job whose pods do their work ends once the faults end.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.model_api import Crash, ModelApi, ModelServer
from support.operator_jobs import NOW, SETTINGS, accepted, budget, job_document

from ringfence.errors import StoreError
from ringfence.spec.budget import PrivacyBudget
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.carrying import Hands, carry
from ringfence_operator.controller.kinds import WATCHED
from ringfence_operator.controller.notes import Notes
from ringfence_operator.controller.watching import take_in
from ringfence_operator.controller.working import look
from ringfence_operator.ledgers.credentials import Kept
from ringfence_operator.ledgers.house import Asked
from ringfence_operator.ledgers.mirroring import Mirrored
from ringfence_operator.manifests.secrets import Confidential
from ringfence_operator.names import COORDINATOR, SILO
from ringfence_operator.reconcile import reconcile
from ringfence_operator.seen import Accepted, Endorsed, Refused

FAULTS = st.lists(st.sampled_from(["ok", "ok", "ok", "lost", "unanswered", "crash-before", "crash-after"]), max_size=8)
OPERATORS = st.sampled_from([0, 1])


@dataclass
class Ledger:
    """Both silos' ledgers as far as the operator sees them: who holds a reservation. Its answers may be lost too."""

    held: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    writer: str = ""

    def _answer(self) -> None:
        if self.faults and self.faults.pop(0) != "ok":
            raise StoreError("no answer")

    async def accept(self, asked: Asked) -> Accepted:
        self._answer()
        return accepted()

    async def reserve(self, asked: Asked) -> bool | Refused:
        self.held.add(asked.uid)
        self._answer()
        return True

    async def close(self, uid: str, datasets: Mapping[str, str | None], reason: str) -> None:
        if datasets:
            self.held.discard(uid)
        self._answer()

    async def endorse(self, asked: Asked) -> Endorsed:
        self._answer()
        return Endorsed(asked.job.spec.rounds, "1", {})

    async def confidential(self, kept: Kept) -> Confidential:
        return Confidential("{}")

    async def revoke(self, uid: str, attempts: Mapping[str, int]) -> None:
        self._answer()

    async def mirror(self, budget: PrivacyBudget) -> Mirrored:
        raise StoreError("not asked here")

    async def close_gone(self, budget: PrivacyBudget, uid: str) -> None:
        self.held.discard(uid)


def at_once(call: Coroutine[Any, Any, Any]) -> None:
    """Runs what never waits, without a loop."""
    try:
        call.send(None)
    except StopIteration:
        return
    raise AssertionError("nothing here may wait")


class Replica:
    """One operator process after another: what it remembers is lost with it."""

    def __init__(self, server: ModelServer, ledger: Ledger, allowed: Any) -> None:
        self.server, self.ledger, self.allowed = server, ledger, allowed
        self.events: list[Any] = []
        server.watchers.append(self.events)
        self.restart()

    def restart(self) -> None:
        """A new process lists everything."""
        self.events.clear()
        self.api = ModelApi(self.server, self.allowed)
        self.hands = Hands(self.api, Cache(), Notes(), self.ledger, SETTINGS, lambda: True)  # type: ignore[arg-type]
        for kind in WATCHED:
            for name in ("FederatedJob", "PrivacyBudget", "ConfigMap", "RayCluster", "Pod", "Job"):
                for one in self.server.of(name):
                    if one["kind"].lower() + "s" == kind.plural:
                        self.hands.cache.put(kind, one)

    def hear(self, count: int) -> None:
        for kind, event, document in self.events[:count]:
            take_in(self.hands.cache, lambda key: None, kind, event, document)
        del self.events[:count]

    def turn(self, uid: str, now: float, faults: list[str]) -> None:
        self.api.faults = list(faults)
        seen = look(self.hands, uid, now)
        if seen is None:
            return
        try:
            at_once(carry(self.hands, seen, reconcile(seen, SETTINGS)))
        except Crash:
            self.restart()
        self.api.faults = []


class Operators(RuleBasedStateMachine):
    @initialize(quorum=st.sampled_from([1, 2]), backoff=st.sampled_from([0, 1]))
    def begin(self, quorum: int, backoff: int) -> None:
        self.now = NOW
        self.consent = {"mercy-ns": True, "stjude-ns": True}
        self.server, self.ledger = ModelServer(), Ledger()
        for silo in ("mercy", "stjude"):
            one = budget(silo)
            self.server.create({**one.to_document(), "metadata": {"name": "patients", "namespace": f"{silo}-ns"}})
        document = job_document(quorum=quorum, backoffLimit=backoff)
        self.uid = self.server.create(document)["metadata"]["uid"]
        self.replicas = [Replica(self.server, self.ledger, lambda namespace: self.consent[namespace]) for _ in range(2)]

    @property
    def job(self) -> dict[str, Any] | None:
        return self.server.objects.get(("FederatedJob", "research", "readmission"))

    def terminal(self) -> bool:
        if self.job is None:
            return True
        held = (self.job.get("status") or {}).get("conditions", ())
        return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in held)

    @rule(which=OPERATORS, faults=FAULTS, ledger=st.lists(st.sampled_from(["ok", "lost"]), max_size=2))
    def turn(self, which: int, faults: list[str], ledger: list[str]) -> None:
        self.ledger.faults = list(ledger)
        self.replicas[which].turn(self.uid, self.now, faults)
        self.ledger.faults = []

    @rule(which=OPERATORS, count=st.integers(1, 6))
    def hear(self, which: int, count: int) -> None:
        self.replicas[which].hear(count)

    @rule(which=OPERATORS)
    def keep_up(self, which: int) -> None:
        self.replicas[which].hear(10**6)
        self.replicas[which].turn(self.uid, self.now, [])

    @rule(which=OPERATORS)
    def restart(self, which: int) -> None:
        self.replicas[which].restart()

    @rule(seconds=st.sampled_from([1, 15, 70]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def collect(self) -> None:
        self.server.collect()

    @rule()
    def kubelet(self) -> None:
        """Every cluster and task gets its pod, running."""
        for owner in [*self.server.of("RayCluster"), *self.server.of("Job")]:
            name = f"{owner['metadata']['name']}-pod"
            if ("Pod", owner["metadata"]["namespace"], name) in self.server.objects:
                continue
            main = "coordinator" if owner["kind"] == "Job" else "driver"
            states = [
                {"name": one, "ready": True, "state": {"running": {}}}
                for one in {main, "ray-head"} - {"ray-head"} | {main}
            ]
            reference = {"kind": owner["kind"], "uid": owner["metadata"]["uid"]}
            metadata = {**owner["metadata"], "name": name, "ownerReferences": [reference]}
            status = {"phase": "Running", "containerStatuses": states}
            self.server.create({"kind": "Pod", "metadata": metadata, "status": status})

    @precondition(lambda self: self.server.of("Pod"))
    @rule(data=st.data(), code=st.sampled_from([0, 1, 2]))
    def driver_ends(self, data: Any, code: int) -> None:
        drivers = [one for one in self.server.of("Pod") if one["metadata"]["labels"][SILO] != COORDINATOR]
        if drivers:
            self._end(data.draw(st.sampled_from(drivers), label="pod"), code)

    def _end(self, one: dict[str, Any], code: int) -> None:
        report = json.dumps({"podUid": one["metadata"]["uid"], "error": "" if code == 0 else "WorkloadFailed"})

        def change(found: dict[str, Any]) -> None:
            found["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": code, "message": report}}

        self.server.update("Pod", one["metadata"]["namespace"], one["metadata"]["name"], None, change)

    @rule(failed=st.booleans())
    def coordinator_ends(self, failed: bool) -> None:
        for task in self.server.of("Job"):
            kind = "Failed" if failed else "Complete"

            def change(found: dict[str, Any], kind: str = kind) -> None:
                found["status"] = {"conditions": [{"type": kind, "status": "True", "reason": "x", "message": "y"}]}

            self.server.update("Job", task["metadata"]["namespace"], task["metadata"]["name"], None, change)

    @precondition(lambda self: self.server.of("RayCluster"))
    @rule(data=st.data(), what=st.sampled_from(["RayCluster", "ConfigMap", "Pod"]))
    def another_hand_deletes(self, data: Any, what: str) -> None:
        found = self.server.of(what)
        if found:
            one = data.draw(st.sampled_from(found), label=what)
            self.server.delete(what, one["metadata"]["namespace"], one["metadata"]["name"])

    @rule(value=st.booleans())
    def suspend(self, value: bool) -> None:
        def change(found: dict[str, Any]) -> None:
            found["spec"]["suspend"] = value

        if self.job is not None:
            self.server.update("FederatedJob", "research", "readmission", None, change)

    @rule(namespace=st.sampled_from(["mercy-ns", "stjude-ns"]), value=st.sampled_from([True, True, False]))
    def consents(self, namespace: str, value: bool) -> None:
        self.consent[namespace] = value

    @rule()
    def delete_budget(self) -> None:
        self.server.delete("PrivacyBudget", "mercy-ns", "patients")

    @rule()
    def delete_job(self) -> None:
        self.server.delete("FederatedJob", "research", "readmission")

    @invariant()
    def no_name_is_used_twice(self) -> None:
        names = [key for key in self.server.created if key[0] in ("RayCluster", "Job", "ConfigMap")]
        assert len(names) == len(set(names)), f"made twice: {sorted(names)}"

    def teardown(self) -> None:
        """The faults end: one operator, all events heard, pods that work. Then everything must come to rest."""
        if not hasattr(self, "replicas"):
            return
        first = self.replicas[0]
        first.restart()
        for step in range(64):
            self.now += 20
            self.server.collect()
            if step % 4 == 3:
                self.kubelet()
            if step % 8 == 7 and self.server.of("RayCluster"):
                self.coordinator_ends(False)
            first.hear(10**6)
            first.turn(self.uid, self.now, [])
        self.server.collect()
        self.no_name_is_used_twice()
        if self.terminal():
            left = [key for key in self.server.objects if key[0] in ("RayCluster", "Job", "Pod", "Secret")]
            assert not left, f"left behind: {left}"
            assert self.uid not in self.ledger.held, "a reservation is open at a job that ended"
            assert self.job is None or not self.job["metadata"].get("finalizers")
            return
        assert self.job is not None
        able = all(self.consent.values()) and ("PrivacyBudget", "mercy-ns", "patients") in self.server.objects
        assert self.job["spec"].get("suspend") or not able, f"the job hangs: {self.job['status']['conditions']}"
        if self.job["spec"].get("suspend") and able:
            assert self.uid not in self.ledger.held, "a suspended job holds a reservation"


TestOperators = Operators.TestCase
TestOperators.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_an_operator_whose_reading_is_old_writes_nothing() -> None:
    """The fence before every attempt: a status is written only over the version that was read."""
    machine = Operators()
    machine.begin(quorum=2, backoff=1)
    fresh, old = machine.replicas
    fresh.turn(machine.uid, NOW, [])
    fresh.turn(machine.uid, NOW, [])
    fresh.turn(machine.uid, NOW, [])
    old.hear(10**6)
    for _ in range(6):
        fresh.turn(machine.uid, NOW, [])
    assert len(machine.server.of("RayCluster")) == 2
    before = json.dumps(machine.job)
    for _ in range(4):
        old.turn(machine.uid, NOW, [])
        assert json.dumps(machine.job) == before
        if old.hands.cache.job(machine.uid) == fresh.hands.cache.job(machine.uid):
            return
    raise AssertionError("the old reading was never noticed")
