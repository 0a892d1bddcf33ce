"""Limits by either accountant, lowered by writers; units; shares of consumers; shards that are erased or derived."""

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import (
    OWNER,
    SILO,
    WRITER,
    BucketStore,
    charge_of,
    cost,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence.errors import BudgetExhausted, InvalidInput, LedgerError
from ringfence.privacy.ledger import (
    Ledger,
    Limit,
    ShardEntry,
    add_shards,
    add_writer,
    charge,
    claim,
    close,
    erase,
    reserve,
    set_limit,
    story,
    transfer,
)
from ringfence.privacy.orders import limits, scale
from ringfence.signing import public_name


@pytest.fixture
def ledger():
    return new_ledger(BucketStore())


def refused(call, message, error=LedgerError):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def gdp_ledger(epsilon="8"):
    ledger = Ledger.create(BucketStore(), dataset="ds-gdp", unit="Silo", owner=OWNER)
    add_writer(ledger, OWNER, public_name(WRITER), "operator")
    add_shards(ledger, OWNER, [ShardEntry("s1", None)])
    set_limit(ledger, OWNER, epsilon=Decimal(epsilon), delta=Decimal("1e-6"), split=[Decimal("1e-6")])
    return ledger


def test_a_gdp_ledger_counts_one_sum(ledger):
    ledger = gdp_ledger()
    limit = ledger.view.limit
    assert (limit.accountant, limit.orders, limit.deltas) == ("gdp", ("gdp",), ("0.000001",))
    assert limit.limits == limits(Decimal(8), [Decimal("1e-6")], ("gdp",))
    one = limit.limits[0] // 3
    reserve(ledger, WRITER, reserve_of(rounds=3, cost=(one,)))
    for number in (1, 2):
        charge(ledger, SILO, charge_of(number=number, cost=(one,)))
    assert ledger.view.spent("s1") == (2 * one,)
    assert 7.9 < ledger.view.committed_epsilon() <= 8
    refused(
        lambda: reserve(ledger, WRITER, reserve_of("job-2", rounds=1, cost=(3,))), "over the limit 8", BudgetExhausted
    )
    set_limit(ledger, OWNER, epsilon=Decimal(9), reason="ethics board")
    assert ledger.view.limit.accountant == "gdp"
    assert reopen(ledger).view == ledger.view


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accountant": "gdp"}, "accountant gdp cannot count over this grid of orders"),
        ({"accountant": "zcdp"}, "accountant 'zcdp' is neither rdp nor gdp"),
        ({"orders": ("gdp",)}, "accountant rdp cannot count over this grid of orders"),
    ],
    ids=["gdp over Renyi orders", "unknown", "rdp over mu squared"],
)
def test_an_accountant_and_its_grid_belong_together(ledger, change, message):
    refused(lambda: replace(ledger.view.limit, **change), message, InvalidInput)


def test_the_accountant_never_changes(ledger):
    other = gdp_ledger().view.limit
    refused(
        lambda: ledger.append(replace(other, reason="x"), OWNER), "delta, accountant, orders and their deltas are fixed"
    )
    refused(
        lambda: set_limit(ledger, OWNER, epsilon=Decimal(4), delta=Decimal("1e-5"), split=[Decimal("1e-5")]),
        "which the first limit fixed for good",
        InvalidInput,
    )


def test_a_split_that_fits_no_grid_is_refused():
    ledger = Ledger.create(BucketStore(), dataset="ds-1", unit="Record", owner=OWNER)
    split = [Decimal("1e-7")] * 3
    refused(
        lambda: set_limit(ledger, OWNER, epsilon=Decimal(8), delta=Decimal("1e-6"), split=split),
        "0 orders and 3 deltas",
        InvalidInput,
    )


def test_a_writer_lowers_and_only_the_owner_raises_again(ledger):
    set_limit(ledger, WRITER, epsilon=Decimal(4), reason="lowered in the PrivacyBudget")
    assert ledger.view.limit.epsilon == "4"
    for more in ("4.1", "8"):
        refused(
            lambda more=more: set_limit(ledger, WRITER, epsilon=Decimal(more), reason="please"),
            "a limit that is not lower than before must be signed by the owner",
        )
    set_limit(ledger, OWNER, epsilon=Decimal(8), reason="ethics board")
    assert ledger.view.highest_epsilon == 8
    assert [row.what for row in story(ledger)][-2:] == [
        "lowers the limit from epsilon 8 to 4 (lowered in the PrivacyBudget)",
        "raises the limit from epsilon 4 to 8 (ethics board)",
    ]


def test_a_writer_sets_no_first_limit_and_changes_nothing_else():
    ledger = Ledger.create(BucketStore(), dataset="ds-1", unit="Record", owner=OWNER)
    add_writer(ledger, OWNER, public_name(WRITER), "operator")
    refused(lambda: set_limit(ledger, WRITER, epsilon=Decimal(1), delta=Decimal("1e-6")), "must be signed by the owner")
    set_limit(ledger, OWNER, epsilon=Decimal(8), delta=Decimal("1e-6"))
    now = ledger.view.limit
    lower = Limit("4", now.delta, now.accountant, now.orders, now.deltas[::-1], "", now.limits)
    refused(lambda: ledger.append(lower, WRITER), "are fixed by the first limit")
    generous = replace(now, epsilon="4")
    refused(lambda: ledger.append(generous, WRITER), "is not what its epsilon and delta allow")


@pytest.mark.parametrize("unit", ["User", "User:patient", "Silo"])
def test_users_and_silos_are_one_block(unit):
    ledger = new_ledger(BucketStore(), unit=unit)
    reserve(ledger, WRITER, reserve_of(rounds=2, shards=["s1"]))
    charge(ledger, SILO, charge_of())
    add_shards(ledger, OWNER, [ShardEntry("appended", None)])
    for shard in ("s1", "s2", "appended"):
        assert ledger.view.spent(shard) == ledger.view.reserved(shard) == cost(10_000)
    assert reopen(ledger).view == ledger.view


@pytest.mark.parametrize("unit", ["", "record", "Group", "Silo:x", "User:"])
def test_another_unit_is_refused(unit):
    refused(lambda: Ledger.create(BucketStore(), dataset="ds-1", unit=unit, owner=OWNER), "is malformed", InvalidInput)


def test_shares_follow_what_each_consumer_spends_and_holds(ledger):
    reserve(ledger, WRITER, reserve_of("job-1", rounds=3, unit=100))
    reserve(ledger, WRITER, reserve_of("job-2", rounds=2, unit=100, consumer="marketing", shards=["s2"]))
    charge(ledger, SILO, charge_of("job-1", unit=100))
    view = ledger.view
    assert (view.spent_by("research"), view.reserved_by("research")) == (cost(100), scale(cost(100), 2))
    assert (view.spent_by("marketing"), view.reserved_by("marketing")) == (scale(cost(100), 0), scale(cost(100), 2))
    assert view.consumer_committed("research") == scale(cost(100), 3)
    assert not any(view.spent_by("nobody"))
    for job in ("job-1", "job-2", "job-1"):
        close(ledger, WRITER, job=job, silo="mercy", reason="")
    assert not any(ledger.view.reserved_by("research") + ledger.view.reserved_by("marketing"))
    assert ledger.view.spent_by("research") == cost(100)


def test_nothing_is_reserved_on_erased_shards(ledger):
    refused(lambda: erase(ledger, WRITER, ["s1"], ""), "an erasure must be signed by the owner")
    refused(lambda: erase(ledger, OWNER, ["s9"], ""), "shard s9 is not registered in this ledger")
    refused(lambda: erase(ledger, OWNER, [], ""), "shards must name at least one", InvalidInput)
    reserve(ledger, WRITER, reserve_of(rounds=2, shards=["s1"]))
    charge(ledger, SILO, charge_of())
    add_shards(ledger, OWNER, [ShardEntry("s1-again", ("s1",))])
    head = erase(ledger, OWNER, ["s1"], "a person asked to be erased")
    assert erase(ledger, OWNER, ["s1"], "a person asked to be erased") == head
    refused(lambda: erase(ledger, OWNER, ["s1", "s2"], ""), "shard s1 was erased already")
    refused(lambda: reserve(ledger, WRITER, reserve_of("job-2", shards=["s2", "s1"])), "shard s1 was erased")
    assert ledger.view.spent("s1-again") == cost(10_000)
    reserve(ledger, WRITER, reserve_of("job-2", shards=["s1-again", "s2"]))
    assert (story(ledger)[-2].who, story(ledger)[-2].what) == (
        "owner",
        "destroyed 1 shards for good (a person asked to be erased)",
    )


def test_two_shards_made_from_one_source_at_different_times_may_hold_the_same_records(ledger):
    add_shards(ledger, OWNER, [ShardEntry("resealed", ("s1",))])
    reserve(ledger, WRITER, reserve_of("job-1", rounds=2, shards=["resealed"]))
    charge(ledger, SILO, charge_of("job-1", 1))
    add_shards(ledger, OWNER, [ShardEntry("resealed-again", ("s1",))])
    assert ledger.view.spent("resealed-again") == cost(10_000)
    charge(ledger, SILO, charge_of("job-1", 2))
    assert ledger.view.spent("resealed-again") == scale(cost(10_000), 2)
    head = ledger.view.head
    assert add_shards(ledger, OWNER, [ShardEntry("resealed-again", ("s1",))]) == head


def test_parts_of_a_split_compose_apart(ledger):
    add_shards(ledger, OWNER, [ShardEntry("left", ("s1",)), ShardEntry("right", ("s1",))])
    reserve(ledger, WRITER, reserve_of("job-1", rounds=1, shards=["left"]))
    assert ledger.view.reserved("left") == cost(10_000)
    assert not any(ledger.view.reserved("right"))


def test_a_transfer_is_told_as_one(ledger):
    claim(ledger, WRITER, "kube:u-1/mercy/patients")
    transfer(ledger, OWNER, "kube:u-2/mercy/patients")
    assert [row.what for row in story(ledger)][-2:] == [
        "budget kube:u-1/mercy/patients spends from this ledger",
        "transfers the ledger from kube:u-1/mercy/patients to kube:u-2/mercy/patients",
    ]
