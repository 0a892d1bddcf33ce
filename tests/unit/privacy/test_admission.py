"""Terms, shares and headroom: what is refused, in which words, and that nothing refused could have fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import BudgetExhausted, CodeNotApproved, LedgerError, PlanImpossible, TermsRefused
from ringfence.privacy.admission import check_consumer, check_terms, headroom, require_room
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.ledger.entries import Limit, Reserve
from ringfence.privacy.ledger.view import Block, Head, LedgerView, Reservation, Share
from ringfence.privacy.orders import DEFAULT_ORDERS, add, limits, scale, split_delta, zero
from ringfence.privacy.planner import Plan, job_epsilon
from ringfence.signing import public_name
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob

KEY = public_name(Ed25519PrivateKey.generate())
DELTA = Decimal("1e-6")
DELTAS = split_delta(DELTA, DEFAULT_ORDERS, "6")
CODE = "sha256:" + "a" * 64
PER_JOB = {"consumers": [{"namespace": "research", "maxEpsilonPerJob": "1.9"}]}


def planned(rounds: int = 20, delta: str = "1e-6") -> Plan:
    rate = Fraction(1024, 110_000)
    cost = PoissonSampledGaussian("1.27634", rate, 107).cost(DEFAULT_ORDERS)
    epsilon = job_epsilon(cost, rounds, Decimal(delta), DEFAULT_ORDERS)
    return Plan("ds-1", "1.27634", rate, 107, rounds, "1", cost, epsilon, epsilon, delta, 110_000)


def reservation(
    index: int, plan: Plan, consumer: str = "research", *, charged: int = 0, open_: bool = True
) -> Reservation:
    digest = "sha256:" + "0" * 64
    reserve = Reserve(
        job=f"uid-{index}", job_name=f"late-{index}", spec_digest=digest, silo="a", manifest_version=0,
        manifest_digest=digest, code="builtin", image="", plan=plan.record(), cost=plan.cost, first=1,
        rounds=plan.rounds, consumer=consumer, silo_key=KEY, silo_seal_key="x25519:" + "A" * 43, coordinator_key=KEY,
        coordinator_seal_key="x25519:" + "A" * 43, shards=("s1",),
    )  # fmt: skip
    return Reservation(index, reserve, KEY, dict.fromkeys(range(1, charged + 1), digest), open_)


def view(epsilon: str = "8", held: Sequence[Reservation] = (), **blocks: Block) -> LedgerView:
    limit = Limit(
        epsilon,
        "1e-6",
        "rdp",
        DEFAULT_ORDERS,
        tuple(map(str, DELTAS)),
        "",
        limits(Decimal(epsilon), DELTAS, DEFAULT_ORDERS),
    )
    nothing = zero(DEFAULT_ORDERS)
    total, shares = nothing, dict[str, Share]()
    for one in held:
        total = add(total, add(one.spent, one.held))
        before = shares.get(one.reserve.consumer, Share(nothing, nothing))
        shares[one.reserve.consumer] = Share(add(before.spent, one.spent), add(before.reserved, one.held))
    first = Block(spent=total, reserved=zero(DEFAULT_ORDERS))
    return LedgerView(
        dataset="ds-1", unit="Record", owner_key=KEY, head=Head(0, "sha256:" + "0" * 64), limit=limit,
        blocks={"s1": first, **blocks}, members=frozenset({"s1", *blocks}),
        reservations={(one.reserve.job, "a"): one for one in held}, shares=shares,
    )  # fmt: skip


def budget(**spec: Any) -> PrivacyBudget:
    document = {
        "dataset": "file:///mercy", "signer": KEY, "keySecretRef": {"name": "key"}, "unit": "Record", "epsilon": "8",
        "delta": "1e-6", "consumers": [{"namespace": "research"}],
    } | spec  # fmt: skip
    meta = {"name": "patients", "namespace": "mercy"}
    return PrivacyBudget.model_validate(
        {"apiVersion": "ringfence.dev/v1alpha1", "kind": "PrivacyBudget", "metadata": meta, "spec": document}
    )


def job(namespace: str = "research", purpose: str | None = None, code: str | None = None) -> FederatedJob:
    spec = {
        "task": {"class": "ringfence.tasks:TabularClassifier"} | ({"code": code} if code else {}),
        "silos": [{"name": "a", "budgetRef": {"namespace": "mercy", "name": "patients"}}],
        "rounds": 20,
        "local": {"batchSize": 1024, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": "2", "delta": "1e-6", "maxGradNorm": "1"},
        "output": "file:///models",
    } | ({"purpose": purpose} if purpose else {})
    meta = {"name": "late", "namespace": namespace}
    return FederatedJob.model_validate(
        {"apiVersion": "ringfence.dev/v1alpha1", "kind": "FederatedJob", "metadata": meta, "spec": spec}
    )


def test_an_empty_ledger_has_room_and_counts_the_jobs_that_fit() -> None:
    room = headroom(view(), planned(), ["s1"])
    assert room.admits
    assert room.needs_epsilon == planned().job_epsilon
    assert 7 < room.left_epsilon <= 8.2
    assert room.holders == ()
    held = [reservation(n, planned()) for n in range(room.jobs_left)]
    assert not headroom(view(held=held), planned(), ["s1"]).admits
    assert headroom(view(held=held[:-1]), planned(), ["s1"]).admits


def test_the_fullest_shard_decides() -> None:
    spent = scale(planned().cost, 10_000)
    crowded = view(s2=Block(spent=spent, reserved=zero(DEFAULT_ORDERS)))
    assert headroom(crowded, planned(), ["s1"]).admits
    both = headroom(crowded, planned(), ["s1", "s2"])
    assert (both.admits, both.jobs_left, both.left_epsilon) == (False, 0, 0.0)


def test_what_is_left_is_below_what_is_needed_exactly_when_it_does_not_fit() -> None:
    held: list[Reservation] = []
    for n in range(12):
        room = headroom(view(held=held), planned(), ["s1"])
        assert room.admits == (room.left_epsilon >= room.needs_epsilon - 1e-5) == (room.jobs_left > 0)
        held.append(reservation(n, planned()))
    assert not room.admits


def test_exhaustion_says_what_is_needed_what_is_left_where_and_who_holds() -> None:
    held = [reservation(3, planned(), charged=15), reservation(1, planned()), reservation(2, planned(), open_=False)]
    with pytest.raises(BudgetExhausted) as refused:
        require_room(view("2.5", held), planned(), ["s1"])
    assert str(refused.value).startswith("dataset ds-1: the job needs epsilon 2 and a job like it can still have 0")
    assert "of the limit 2.5; open reservations: late-1 of research (20 rounds uncharged), late-3 of" in str(
        refused.value
    )
    assert "late-3 of research (5 rounds uncharged); ask for a smaller privacy.epsilon" in str(refused.value)
    assert "late-2" not in str(refused.value)


def test_a_job_too_greedy_for_an_empty_ledger_is_told_that_nobody_holds_it() -> None:
    with pytest.raises(BudgetExhausted, match="of the limit 1; nobody else holds any of it"):
        require_room(view("1"), planned(), ["s1"])
    assert require_room(view("8"), planned(), ["s1"]).admits


def test_a_jobs_delta_must_not_exceed_the_ledgers() -> None:
    with pytest.raises(
        PlanImpossible, match=r"privacy.delta 2e-6 is more than the ledger's delta 1e-6; set privacy.delta"
    ):
        headroom(view(), planned(delta="2e-6"), ["s1"])


def test_a_ledger_without_a_limit_has_no_room() -> None:
    with pytest.raises(LedgerError, match="the ledger has no limit yet; its owner runs `ringfence budget open`"):
        headroom(replace(view(), limit=None), planned(), ["s1"])


def test_a_share_is_a_limit_of_its_own() -> None:
    shared = budget(consumers=[{"namespace": "research", "maxEpsilon": "4"}, {"namespace": "other"}])
    held = [reservation(1, planned()), reservation(2, planned(), "other")]
    check_consumer(view(held=held), shared, "research", planned())
    used = [*held, reservation(3, planned(), charged=20, open_=False), reservation(4, planned())]
    with pytest.raises(BudgetExhausted, match=r"namespace research has spent or reserved [0-9.]+ of its share 4"):
        check_consumer(view(held=used), shared, "research", planned())
    check_consumer(view(held=used), shared, "other", planned())


def test_closed_reservations_count_only_what_they_charged_in_a_share() -> None:
    shared = budget(consumers=[{"namespace": "research", "maxEpsilon": "4"}])
    check_consumer(view(held=[reservation(n, planned(), open_=False) for n in range(9)]), shared, "research", planned())


def test_terms_that_hold() -> None:
    check_terms(job(), budget())
    check_terms(job(purpose="readmission"), budget(purposes=["readmission"]))
    check_terms(job(code=f"file:///code.zip@{CODE}"), budget(runtime={"allowedCode": [CODE]}))
    for most in ("2.0", "10"):
        check_terms(job(), budget(consumers=[{"namespace": "research", "maxEpsilonPerJob": most}]))


@pytest.mark.parametrize(
    ("asked", "owner", "said"),
    [
        ({"purpose": "ads"}, {"purposes": ["care", "fun"]}, "budget mercy/patients: purpose ads is not among care"),
        ({"purpose": "ads"}, {"purposes": ["care"]}, "; set spec.purpose to one of them, or ask the owner"),
        ({}, {"purposes": ["care"]}, "purpose (none) is not among care"),
        ({"namespace": "ads"}, {}, "budget mercy/patients: namespace ads is not among its consumers; ask the owner"),
        ({}, {"consumers": []}, "namespace research is not among its consumers"),
        ({}, PER_JOB, "privacy.epsilon 2 is more than 1.9, the most for one job of research"),
    ],
)  # fmt: skip
def test_terms_that_do_not_hold_are_refused_by_name(asked: dict[str, str], owner: dict[str, Any], said: str) -> None:
    with pytest.raises(TermsRefused) as refused:
        check_terms(job(**asked), budget(**owner))
    assert said in str(refused.value)


def test_code_that_the_owner_did_not_list_is_refused() -> None:
    with pytest.raises(
        CodeNotApproved, match=f"code {CODE} is not among the owner's runtime.allowedCode; ask the owner"
    ):
        check_terms(job(code=f"file:///code.zip@{CODE}"), budget())
    with pytest.raises(CodeNotApproved, match="code builtin is not among"):
        check_terms(job(), budget(runtime={"allowedCode": [CODE]}))
    with pytest.raises(CodeNotApproved, match=f"code {CODE} is not among"):
        check_terms(job(), budget(), code=CODE)
