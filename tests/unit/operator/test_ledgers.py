"""What the operator does with real ledgers in folders: acceptance, reservations of a run, room, mirror, endorsement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.hospitals import House as Hospitals
from support.played import state, train

from ringfence.errors import BudgetExhausted, LedgerOwned, SignatureRejected, TermsRefused
from ringfence.privacy import statement
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.view import Head
from ringfence.shards.auditing import examine
from ringfence_operator import reasons
from ringfence_operator.budgets import status as told
from ringfence_operator.ledgers import accepting, endorsing, reserving
from ringfence_operator.ledgers.house import Asked, House
from ringfence_operator.ledgers.mirroring import Mirror
from ringfence_operator.seen import Refused

UIDS = [f"f2a19046-c691-4ac0-8678-6d3db43c495{n}" for n in range(4)]


@dataclass
class Memory:
    heads: dict[str, Head] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    @property
    def witness(self) -> Memory:
        return self

    def remembered(self, dataset: str) -> Head | None:
        return self.heads.get(dataset)

    def remember(self, dataset: str, head: Head) -> None:
        self.heads[dataset] = max(head, self.heads.get(dataset, head), key=lambda one: one.index)

    def seen_manifest(self, dataset: str) -> int:
        return self.versions.get(dataset, 0)

    def remember_manifest(self, dataset: str, version: int) -> None:
        self.versions[dataset] = version


class Place:
    """Two hospitals and an operator that may write their ledgers."""

    def __init__(self, root: Path, epsilon: str = "2.7") -> None:
        self.hospitals = Hospitals(root, records=200, silos=("mercy", "stjude"), epsilon=epsilon).build()
        self.house = self.operator()
        for silo in self.hospitals.silos:
            operations.add_writer(
                self.hospitals.ledger(silo), self.hospitals.signer(silo), self.house.public, "operator"
            )

    def operator(self, cluster: str = "c1", key: Ed25519PrivateKey | None = None) -> House:
        writer = key or Ed25519PrivateKey.generate()
        return House(self.hospitals.stores, Memory(), writer, b"m" * 32, cluster, "workload:1")

    def asked(self, uid: str = UIDS[0], first: int = 1, pins: Any = None, **changes: Any) -> Asked:
        manifests = self.hospitals.manifests(**changes)
        budgets = {one.metadata.namespace: one for one in manifests.budgets}
        return Asked(uid, manifests.job(), budgets, pins or {}, first)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def held(place: Place, uid: str) -> list[bool]:
    found = [place.hospitals.view(silo).reservations.get((uid, silo)) for silo in place.hospitals.silos]
    return [one is not None and one.open for one in found]


def test_a_run_is_reserved_in_every_ledger_once_and_given_back(place: Place) -> None:
    assert reserving.reserve(place.house, place.asked()) is True
    heads = [place.hospitals.view(silo).head for silo in place.hospitals.silos]
    assert reserving.reserve(place.house, place.asked()) is True
    assert [place.hospitals.view(silo).head for silo in place.hospitals.silos] == heads
    found = place.hospitals.view("mercy")
    assert found.owner_identity == "kube:c1/mercy/patients"
    body = found.reservations[UIDS[0], "mercy"].reserve
    assert (body.image, body.consumer, body.code) == ("workload:1", "research", "builtin")
    assert body.silo_key == place.house.keys(UIDS[0], "mercy").public.sign
    reserving.close(place.house, UIDS[0], {place.hospitals.url(silo): None for silo in place.hospitals.silos}, "over")
    assert held(place, UIDS[0]) == [False, False]


def test_a_job_waits_while_room_is_held_and_is_refused_once_it_is_spent(place: Place) -> None:
    assert reserving.reserve(place.house, place.asked()) is True
    answer = reserving.reserve(place.house, place.asked(UIDS[1]))
    assert answer == Refused(reasons.WAITING_FOR_BUDGET, "waits for room in the budget of mercy, stjude")
    assert held(place, UIDS[1]) == [False, False]
    train(place.hospitals, place.house, {"metadata": {"uid": UIDS[0]}}, 3)
    with pytest.raises(BudgetExhausted, match=r"of 2\.7 is spent for good"):
        reserving.reserve(place.house, place.asked(UIDS[1]))


def test_a_lower_limit_of_the_resource_holds_though_the_ledgers_is_higher(place: Place) -> None:
    asked = place.asked()
    low = {
        silo: one.model_copy(update={"spec": one.spec.model_copy(update={"epsilon": "1"})})
        for silo, one in asked.budgets.items()
    }
    with pytest.raises(BudgetExhausted, match="0 of 1 is spent for good"):
        reserving.reserve(place.house, Asked(UIDS[0], asked.job, low, {}, 1))
    assert held(place, UIDS[0]) == [False, False]


def test_a_consumers_share_bounds_all_its_jobs(tmp_path: Path) -> None:
    place = Place(tmp_path, epsilon="8")
    asked = place.asked()
    shared = {}
    for silo, one in asked.budgets.items():
        consumers = tuple(each.model_copy(update={"max_epsilon": "2.7"}) for each in one.spec.consumers)
        shared[silo] = one.model_copy(update={"spec": one.spec.model_copy(update={"consumers": consumers})})
    assert reserving.reserve(place.house, Asked(UIDS[0], asked.job, shared, {}, 1)) is True
    answer = reserving.reserve(place.house, Asked(UIDS[1], asked.job, shared, {}, 1))
    assert isinstance(answer, Refused)
    assert answer.reason == reasons.WAITING_FOR_BUDGET


def test_an_operator_that_no_owner_let_in_writes_nothing(place: Place) -> None:
    stranger = place.operator()
    answer = reserving.reserve(stranger, place.asked())
    assert isinstance(answer, Refused)
    assert answer.reason == reasons.NOT_A_WRITER
    assert f"--writer {stranger.public}" in answer.message
    assert place.hospitals.view("mercy").owner_identity is None


def test_another_clusters_budget_does_not_take_over_a_ledger(place: Place) -> None:
    assert reserving.reserve(place.house, place.asked()) is True
    other = place.operator("c2", place.house.writer)
    with pytest.raises(LedgerOwned):
        reserving.reserve(other, place.asked(UIDS[1]))


def test_a_refusal_by_terms_is_told_to_the_owner_by_the_operator(place: Place) -> None:
    asked = place.asked()
    budget = asked.budgets["mercy"]
    strict = budget.model_copy(update={"spec": budget.spec.model_copy(update={"purposes": ("billing",)})})
    with pytest.raises(TermsRefused):
        accepting.acceptance(place.house, replace(asked, budgets={**asked.budgets, "mercy": strict}))
    store, ledger = place.hospitals.stores.open(place.hospitals.url("mercy")), place.hospitals.ledger("mercy")
    found = examine(store, store, place.hospitals.manifest("mercy"), ledger)
    assert found.faults == ()
    last = found.entries[-1]
    assert last.job is not None and (last.key, last.job.uid) == (place.house.public, UIDS[0])
    assert (last.event, last.job.clauses) == ("refused", ("budget.purposes",))
    stranger = place.operator()
    with pytest.raises(TermsRefused):
        accepting.acceptance(stranger, replace(asked, budgets={**asked.budgets, "mercy": strict}))
    assert examine(store, store, place.hospitals.manifest("mercy"), ledger) == found


def test_a_resumed_run_reserves_uncharged_rounds_only(place: Place) -> None:
    assert reserving.reserve(place.house, place.asked()) is True
    train(place.hospitals, place.house, {"metadata": {"uid": UIDS[0]}}, 1)
    reserving.close(place.house, UIDS[0], {place.hospitals.url(silo): None for silo in place.hospitals.silos}, "paused")
    assert reserving.reserve(place.house, place.asked(first=2)) is True
    body = place.hospitals.view("mercy").reservations[UIDS[0], "mercy"].reserve
    assert (body.first, body.rounds) == (2, 2)


def test_acceptance_tells_pods_what_was_pinned_and_knows_a_keys_party(place: Place) -> None:
    found = accepting.accepted(place.house, place.asked())
    assert found.silos["mercy"].version == 1
    assert found.silos["mercy"].digest == place.hospitals.manifest("mercy").digest()
    view = place.hospitals.view("mercy")
    assert found.silos["mercy"].head == (view.dataset, view.head.index, view.head.hash)
    keys = {found.coordinator.sign, *(one.sign for one in found.keys.values())}
    assert len(keys) == 3
    assert place.house.keys(UIDS[0], "coordinator").public != place.house.keys(UIDS[0], "").public


def test_the_mirror_reads_what_was_added_and_says_it_in_numbers(place: Place) -> None:
    mirror, budget = Mirror(place.house), place.asked().budgets["mercy"]
    first = mirror.read(budget)
    assert told.ready(first.view, None, budget, place.house.public)[:2] == (True, reasons.LEDGER_OPEN)
    assert told.ready(first.view, None, budget, "ed25519:x")[:2] == (False, reasons.NOT_A_WRITER)
    other = budget.model_copy(update={"spec": budget.spec.model_copy(update={"unit": "User", "delta": "1e-7"})})
    _, reason, words = told.ready(first.view, None, other, place.house.public)
    assert reason == reasons.INVALID_MANIFEST
    assert "spec.unit User is not the ledger's, Record; spec.delta 1E-7 is not the ledger's, 0.00001" in words
    reserving.reserve(place.house, place.asked())
    train(place.hospitals, place.house, {"metadata": {"uid": UIDS[0]}}, 1)
    second = mirror.read(budget)
    found = told.mirrored(second.view, budget, second.url, place.house.public)
    assert Decimal(found.spent or 0) > 0
    assert Decimal(found.spent or 0) + Decimal(found.reserved or 0) + Decimal(found.remaining or 0) == Decimal(
        found.limit or 0
    )
    (share,) = found.jobs
    assert (share.uid, share.open, share.rounds, share.charged) == (UIDS[0], True, 3, 1)
    assert found.typical_jobs_left == 0
    mirror.close_gone(budget, UIDS[0])
    assert not place.hospitals.view("mercy").open_reservations()


def test_a_rolled_back_ledger_is_told_and_spends_nothing(place: Place) -> None:
    reserving.reserve(place.house, place.asked())
    store = place.hospitals.stores.open(place.hospitals.url("mercy"))
    store.delete(f"ledger/{place.hospitals.view('mercy').head.index}")
    budget = place.asked().budgets["mercy"]
    found = Mirror(place.house).read(budget)
    assert found.fault is not None
    assert told.ready(found.view, found.fault, budget, place.house.public)[:2] == (False, "LedgerRolledBack")


@pytest.mark.parametrize("lie", [1, 2], ids=["true", "false"])
def test_a_statement_is_endorsed_if_it_says_what_the_ledgers_say(place: Place, lie: int) -> None:
    asked = place.asked()
    reserving.reserve(place.house, asked)
    train(place.hospitals, place.house, {"metadata": {"uid": UIDS[0]}}, 3)
    state(place.hospitals, place.house, asked.job, UIDS[0], lie)
    if lie != 1:
        with pytest.raises(SignatureRejected, match="the cost is not what the ledger was charged"):
            endorsing.endorse(place.house, asked)
        return
    said = endorsing.endorse(place.house, asked)
    assert (said.rounds, said.metrics) == (3, {})
    assert 1.9 < float(said.epsilon or 0) <= 2
    data = place.hospitals.stores.open(f"{asked.job.spec.output}/{UIDS[0]}").get("statement.json")
    known = statement.Signers(place.house.keys(UIDS[0], "").public.sign, place.house.public)
    statement.read(data, "statement", known=known)
    endorsing.endorse(place.house, asked)


def test_a_statement_of_another_coordinator_is_not_endorsed(place: Place) -> None:
    asked = place.asked()
    reserving.reserve(place.house, asked)
    train(place.hospitals, place.house, {"metadata": {"uid": UIDS[0]}}, 3)
    state(place.hospitals, place.house, asked.job, UIDS[0])
    other = House(place.house.stores, Memory(), place.house.writer, b"n" * 32, "c1")
    with pytest.raises(SignatureRejected):
        endorsing.endorse(other, asked)
