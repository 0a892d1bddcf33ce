"""Who may say what, when, and what a refusal says."""

import re
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ledger_samples import (
    OWNER,
    SECOND,
    SILO,
    STRANGER,
    WRITER,
    charge_of,
    cost,
    digest,
    folder,
    key,
    new_ledger,
    reopen,
    reserve_of,
)

from ringfence.errors import BudgetExhausted, InvalidInput, LedgerError, LedgerOwned
from ringfence.privacy.ledger import (
    Ledger,
    Noop,
    Open,
    ShardEntry,
    add_shards,
    add_writer,
    charge,
    claim,
    close,
    reserve,
    reserve_all,
    set_limit,
    transfer,
)
from ringfence.privacy.orders import scale
from ringfence.signing import public_name


@pytest.fixture
def ledger(tmp_path):
    return new_ledger(folder(tmp_path))


def refused(call, message, error=LedgerError):
    """The call is refused with `message`, and nothing was written."""
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_new_ledger_says_whose_and_what(ledger):
    view = reopen(ledger).view
    assert (view.dataset, view.unit, view.owner_key) == (ledger.view.dataset, "Record", public_name(OWNER))
    assert view.writers == {public_name(WRITER): "operator"}
    assert view.limit.epsilon == "8"
    assert set(view.shards) == {"s1", "s2"}
    assert (view.spent_epsilon(), view.committed_epsilon(), view.remaining_epsilon()) == (0, 0, Decimal(8))


def test_a_job_reserves_charges_and_closes(ledger):
    reserve(ledger, WRITER, reserve_of(rounds=5))
    assert ledger.view.reserved("s1") == scale(cost(10_000), 5)
    assert not any(ledger.view.committed("s2"))
    for number in (1, 2):
        assert charge(ledger, SILO, charge_of(number=number)) is True
    assert (ledger.view.spent("s1"), ledger.view.reserved("s1")) == (scale(cost(10_000), 2), scale(cost(10_000), 3))
    close(ledger, WRITER, job="job-1", silo="mercy", reason="done")
    assert (ledger.view.spent("s1"), any(ledger.view.reserved("s1"))) == (scale(cost(10_000), 2), False)
    assert reopen(ledger).view == ledger.view


def test_repeating_what_is_there_appends_nothing(ledger):
    reserve(ledger, WRITER, reserve_of())
    charge(ledger, SILO, charge_of())
    claim(ledger, WRITER, "kube:u-1/mercy/patients")
    head = ledger.view.head
    assert reserve(ledger, WRITER, reserve_of()) == head
    assert charge(reopen(ledger), SILO, charge_of()) is False
    assert claim(ledger, WRITER, "kube:u-1/mercy/patients") == head
    assert add_writer(ledger, OWNER, public_name(WRITER), "operator") == head
    assert add_shards(ledger, OWNER, [ShardEntry("s1", None), ShardEntry("s2", None)]) == head
    assert set_limit(ledger, OWNER, epsilon=Decimal(8)) == head
    closed = close(ledger, WRITER, job="job-1", silo="mercy", reason="done")
    assert close(ledger, WRITER, job="job-1", silo="mercy", reason="again") == closed
    assert charge(ledger, SILO, charge_of()) is False


def test_a_charge_must_be_what_was_reserved(ledger):
    refused(lambda: charge(ledger, SILO, charge_of()), "job job-1 holds no open reservation for silo mercy")
    reserve(ledger, WRITER, reserve_of(rounds=3, first=2))
    refused(lambda: charge(ledger, STRANGER, charge_of(number=2)), "must be signed by its key of this job")
    refused(lambda: charge(ledger, WRITER, charge_of(number=2)), "must be signed by its key of this job")
    refused(lambda: charge(ledger, SILO, charge_of(number=1)), "round 1 of job job-1 is not among the reserved rounds")
    refused(lambda: charge(ledger, SILO, charge_of(number=5)), "round 5 of job job-1 is not among the reserved rounds")
    refused(lambda: charge(ledger, SILO, charge_of(number=2, unit=9_999)), "differs from the reserved cost of a round")
    refused(lambda: charge(ledger, SILO, charge_of(number=2, silo="stjude")), "no open reservation for silo stjude")
    charge(ledger, SILO, charge_of(number=2))
    other = charge_of(number=2, bytes_="other bytes")
    refused(lambda: charge(ledger, SILO, other), "round 2 of job job-1 is charged already, for other bytes")
    assert len(ledger.view.charged["job-1", "mercy"]) == 1


def test_nothing_is_charged_after_close(ledger):
    reserve(ledger, WRITER, reserve_of())
    late = reopen(ledger)
    close(ledger, WRITER, job="job-1", silo="mercy", reason="deadline")
    refused(lambda: charge(late, SILO, charge_of()), "holds no open reservation")


def test_a_later_reservation_covers_only_uncharged_rounds(ledger):
    reserve(ledger, WRITER, reserve_of(rounds=5))
    charge(ledger, SILO, charge_of(number=1))
    refused(lambda: reserve(ledger, WRITER, reserve_of(rounds=4)), "job job-1 holds a reservation already (entry 4)")
    close(ledger, WRITER, job="job-1", silo="mercy", reason="restart")
    refused(lambda: reserve(ledger, WRITER, reserve_of(rounds=5)), "round 1 of job job-1 is charged already")
    reserve(ledger, WRITER, reserve_of(first=2, rounds=4))
    assert charge(ledger, SILO, charge_of(number=1)) is False
    assert [one.spent for one in ledger.view.every_reservation()] == [cost(10_000), scale(cost(10_000), 0)]
    assert ledger.view.consumer_committed("research") == scale(cost(10_000), 5)
    assert not any(ledger.view.consumer_committed("marketing"))


def test_a_job_holds_one_reservation_of_a_dataset_whatever_the_silo_is_called(ledger):
    reserve(ledger, WRITER, reserve_of())
    refused(lambda: reserve(ledger, WRITER, reserve_of(silo="mercy-2")), "job job-1 holds a reservation already")


def test_only_writers_and_the_owner_reserve(ledger):
    refused(lambda: reserve(ledger, STRANGER, reserve_of()), "is neither the owner nor a writer of this ledger")
    refused(lambda: reserve(ledger, SILO, reserve_of()), "is neither the owner nor a writer of this ledger")
    reserve(ledger, OWNER, reserve_of())


def test_only_the_reserver_and_the_owner_close(ledger):
    add_writer(ledger, OWNER, public_name(SECOND), "second operator")
    reserve(ledger, WRITER, reserve_of("job-1"))
    reserve(ledger, WRITER, reserve_of("job-2"))
    for other in (SECOND, SILO, STRANGER):
        refused(
            lambda other=other: close(ledger, other, job="job-1", silo="mercy", reason=""), "only who reserved for job"
        )
    close(ledger, WRITER, job="job-1", silo="mercy", reason="")
    close(ledger, OWNER, job="job-2", silo="mercy", reason="")
    refused(lambda: close(ledger, OWNER, job="job-3", silo="mercy", reason=""), "job job-3 has no reservation")


def test_the_filter_refuses_what_no_order_has_room_for(ledger):
    reserve(ledger, WRITER, reserve_of("job-1", unit=100_000, rounds=6))
    before = ledger.view
    with pytest.raises(BudgetExhausted) as caught:
        reserve(ledger, WRITER, reserve_of("job-2", unit=100_000, rounds=10))
    assert re.fullmatch(
        r"s3://mercy/readmissions: with this plan epsilon would reach \d+\.\d{3}, over the limit 8; "
        r"\d\.\d{3} is spent or reserved already, "
        r"held in part by name-of-job-1; plan fewer rounds or a smaller epsilon",
        str(caught.value),
    )
    assert reopen(ledger).view == before
    reserve(ledger, WRITER, reserve_of("job-2", unit=100_000, rounds=8, shards=["s2"]))


def test_every_named_shard_needs_room_not_only_the_first(ledger):
    reserve(ledger, WRITER, reserve_of("job-1", unit=100_000, rounds=10, shards=["s2"]))
    for shards in (["s1", "s2"], ["s2", "s1"]):
        with pytest.raises(BudgetExhausted):
            reserve(ledger, WRITER, reserve_of("job-2", unit=100_000, rounds=6, shards=shards))
    reserve(ledger, WRITER, reserve_of("job-2", unit=100_000, rounds=6, shards=["s1"]))


def test_exactly_the_limit_is_admitted_and_one_more_micro_unit_is_not(ledger):
    limit = ledger.view.limit.limits
    full = tuple(max(1, value) for value in limit)
    above = tuple(value + 1 for value in limit)
    with pytest.raises(BudgetExhausted):
        reserve(ledger, WRITER, reserve_of(rounds=1, cost=above))
    one_order = tuple(full[i] if i == 4 else above[i] for i in range(len(limit)))
    reserve(ledger, WRITER, reserve_of(rounds=1, cost=one_order))
    with pytest.raises(BudgetExhausted):
        reserve(ledger, WRITER, reserve_of("job-2", rounds=1, cost=(1,) * len(limit)))


def test_a_reservation_must_fit_the_ledger(ledger):
    refused(lambda: reserve(ledger, WRITER, reserve_of(shards=["s1", "s9"])), "shard s9 is not registered")
    refused(lambda: reserve(ledger, WRITER, reserve_of(cost=(1, 2, 3))), "the cost has 3 orders and the ledger has 16")
    for change, message in [
        ({"cost": (0,) * 16}, "cost must hold integers from 1"),
        ({"cost": (-1,) * 16}, "cost must hold integers from 1"),
        ({"rounds": 0}, "rounds must lie between 1 and 100, not 0"),
        ({"rounds": 101}, "rounds must lie between 1 and 100, not 101"),
        ({"shards": ()}, "shards must name at least one"),
        ({"shards": ("s1", "s1")}, "none twice"),
        ({"silo_key": "ed25519:AA"}, "not a public key"),
        ({"silo_seal_key": "x"}, "sealing key of the job 'x' is malformed"),
        ({"spec_digest": "sha256:1"}, "spec_digest 'sha256:1' is malformed"),
        ({"job": ""}, "job must be 1 to 500 printable"),
        ({"job_name": "two\nlines"}, "job_name must be"),
    ]:
        refused(lambda change=change: reserve_of(**change), message, InvalidInput)


def test_nothing_is_reserved_before_the_first_limit(tmp_path):
    ledger = Ledger.create(folder(tmp_path), dataset="ds-1", unit="Record", owner=OWNER)
    add_shards(ledger, OWNER, [ShardEntry("s1", None)])
    refused(lambda: reserve(ledger, OWNER, reserve_of()), "the ledger has no limit yet")


def test_only_the_owner_sets_limits_writers_and_shards(ledger):
    refused(
        lambda: set_limit(ledger, WRITER, epsilon=Decimal(9), reason="more"),
        "a limit that is not lower than before must be signed by the owner",
    )
    refused(lambda: set_limit(ledger, STRANGER, epsilon=Decimal(4)), "neither the owner nor a writer")
    refused(lambda: add_writer(ledger, WRITER, public_name(SECOND), ""), "a new writer must be signed by the owner")
    refused(lambda: add_shards(ledger, WRITER, [ShardEntry("s3", None)]), "new shards must be signed by the owner")
    refused(lambda: ledger.append(Noop(None, None), WRITER), "a noop must be signed by the owner")


def test_raising_needs_a_reason_and_is_remembered(ledger):
    refused(lambda: set_limit(ledger, OWNER, epsilon=Decimal(9)), "raising a limit needs a reason")
    set_limit(ledger, OWNER, epsilon=Decimal(9), reason="ethics board of 3 May")
    set_limit(ledger, OWNER, epsilon=Decimal(2))
    assert ledger.view.highest_epsilon == Decimal(9)
    assert ledger.view.effective_epsilon() == Decimal(2)


def test_lowering_below_what_is_reserved_admits_nothing_until_it_is_closed(ledger):
    reserve(ledger, WRITER, reserve_of("job-1", unit=50_000, rounds=20))
    held = ledger.view.committed_epsilon()
    assert 4 < held < 8
    set_limit(ledger, OWNER, epsilon=Decimal(3))
    assert (ledger.view.effective_epsilon(), ledger.view.remaining_epsilon()) == (held, 0)
    refused(lambda: reserve(ledger, WRITER, reserve_of("job-2", rounds=1, unit=1)), "over the limit 3", BudgetExhausted)
    assert charge(ledger, SILO, charge_of(unit=50_000)) is True
    close(ledger, WRITER, job="job-1", silo="mercy", reason="")
    assert ledger.view.effective_epsilon() == Decimal(3)
    reserve(ledger, WRITER, reserve_of("job-2", rounds=1, unit=1))
    # Room that the higher limit once gave never comes back.
    refused(
        lambda: reserve(ledger, WRITER, reserve_of("job-3", rounds=15, unit=50_000)), "the limit 3", BudgetExhausted
    )


def test_delta_grid_and_split_never_change(ledger):
    refused(
        lambda: set_limit(ledger, OWNER, epsilon=Decimal(4), delta=Decimal("1e-5")),
        "fixed for good",
        InvalidInput,
    )
    set_limit(ledger, OWNER, epsilon=Decimal(4), delta=Decimal("1e-6"))
    now = ledger.view.limit
    for change in (
        {"delta": "0.00001"},
        {"orders": now.orders[:-1], "deltas": now.deltas[:-1], "limits": now.limits[:-1]},
        {"deltas": now.deltas[::-1]},
    ):
        refused(
            lambda change=change: ledger.append(replace(now, epsilon="3", **change), OWNER), "fixed by the first limit"
        )


def test_limits_are_computed_again(ledger):
    more = tuple(value + 1 for value in ledger.view.limit.limits)
    forged = replace(ledger.view.limit, reason="x", limits=more)
    refused(lambda: ledger.append(forged, OWNER), "is not what its epsilon and delta allow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": "NaN"}, "not a decimal number from"),
        ({"epsilon": "inf"}, "not a decimal number from"),
        ({"epsilon": "-1"}, "epsilon must be greater than 0"),
        ({"epsilon": "0"}, "epsilon must be greater than 0"),
        ({"epsilon": "1e999999"}, "not a decimal number from"),
        ({"epsilon": "eight"}, "is not a decimal number"),
        ({"delta": "0"}, "delta must lie between 0 and 1"),
        ({"delta": "1"}, "delta must lie between 0 and 1"),
        ({"delta": "0.0000001"}, "the deltas of the orders add up to more than delta"),
        ({"accountant": "pld"}, "accountant 'pld' is neither rdp nor gdp"),
        ({"limits": (-1,) * 16}, "limits must hold integers"),
    ],
)
def test_numbers_that_make_no_limit_are_refused(ledger, change, message):
    refused(lambda: replace(ledger.view.limit, **change), message, InvalidInput)


def test_the_first_claim_is_anyones_who_may_write_and_a_transfer_is_the_owners(ledger):
    first, second = "kube:u-1/mercy/patients", f"key:{public_name(OWNER)}"
    refused(lambda: claim(ledger, STRANGER, first), "neither the owner nor a writer")
    claim(ledger, WRITER, first)
    refused(
        lambda: claim(ledger, WRITER, second), f"the ledger belongs to {first}, and {second} claims it", LedgerOwned
    )
    refused(lambda: claim(ledger, OWNER, second), "its owner may transfer it", LedgerOwned)
    refused(lambda: transfer(ledger, WRITER, second), f"the ledger belongs to {first}", LedgerOwned)
    transfer(ledger, OWNER, second)
    head = ledger.view.head
    assert claim(ledger, WRITER, second) == head, "a budget that is made again adopts its ledger"
    assert ledger.view.owner_identity == second
    refused(lambda: claim(ledger, WRITER, "someone"), "identity 'someone' is malformed", InvalidInput)


def test_shards_are_registered_once_and_inherit_from_known_ones(ledger):
    refused(lambda: add_shards(ledger, OWNER, [ShardEntry("s1", ("s2",))]), "shard s1 is registered already")
    refused(lambda: add_shards(ledger, OWNER, [ShardEntry("s3", ("s9",))]), "inherits from s9, which is not registered")
    refused(lambda: add_shards(ledger, OWNER, [ShardEntry("s3", ())]), "null means fresh", InvalidInput)
    refused(lambda: add_shards(ledger, OWNER, [ShardEntry("../x", None)]), "shard id '../x' is malformed", InvalidInput)


def test_a_merged_shard_inherits_the_largest_spent_at_each_order(ledger):
    tilted = tuple(reversed(cost(10_000)))
    reserve(ledger, WRITER, reserve_of("job-1", rounds=1, shards=["s1"]))
    reserve(ledger, WRITER, reserve_of("job-2", rounds=1, shards=["s2"], cost=tilted))
    charge(ledger, SILO, charge_of("job-1"))
    charge(ledger, SILO, charge_of("job-2", cost=tilted))
    add_shards(ledger, OWNER, [ShardEntry("merged", ("s1", "s2")), ShardEntry("fresh", None)])
    assert ledger.view.spent("merged") == tuple(map(max, cost(10_000), tilted))
    assert not any(ledger.view.spent("fresh"))


def test_what_a_source_still_holds_reaches_its_heir_and_counts_once(ledger):
    reserve(ledger, WRITER, reserve_of("job-1", rounds=3, shards=["s1"]))
    charge(ledger, SILO, charge_of("job-1", 1))
    add_shards(ledger, OWNER, [ShardEntry("heir", ("s1",))])
    add_shards(ledger, OWNER, [ShardEntry("grandchild", ("heir", "s2"))])
    charge(ledger, SILO, charge_of("job-1", 2))
    for shard in ("s1", "heir", "grandchild"):
        assert ledger.view.spent(shard) == scale(cost(10_000), 2)
        assert ledger.view.reserved(shard) == cost(10_000)
    close(ledger, WRITER, job="job-1", silo="mercy", reason="")
    reserve(ledger, WRITER, reserve_of("job-2", rounds=1, shards=["s1", "heir"]))
    charge(ledger, SILO, charge_of("job-2"))
    assert ledger.view.spent("heir") == ledger.view.spent("grandchild") == scale(cost(10_000), 3)
    assert not any(ledger.view.spent("s2"))
    assert reopen(ledger).view == ledger.view


def test_a_source_cannot_be_spent_beyond_what_its_heir_has_left(ledger):
    add_shards(ledger, OWNER, [ShardEntry("heir", ("s1",))])
    reserve(ledger, WRITER, reserve_of("job-1", unit=100_000, rounds=8, shards=["heir"]))
    assert not any(ledger.view.committed("s1"))
    refused(
        lambda: reserve(ledger, WRITER, reserve_of("job-2", unit=100_000, rounds=8, shards=["s1"])),
        "with this plan epsilon would reach",
        BudgetExhausted,
    )


def test_for_unit_user_everything_is_one_block(tmp_path):
    ledger = new_ledger(folder(tmp_path), unit="User")
    reserve(ledger, WRITER, reserve_of("job-1", rounds=2, shards=["s1"]))
    charge(ledger, SILO, charge_of("job-1"))
    add_shards(ledger, OWNER, [ShardEntry("appended", None)])
    for shard in ("s1", "s2", "appended"):
        assert ledger.view.spent(shard) == ledger.view.reserved(shard) == cost(10_000)
    assert set(ledger.view.shards) == {"*"}
    refused(lambda: reserve(ledger, WRITER, reserve_of("job-2", shards=["s9"])), "shard s9 is not registered")


def test_an_open_entry_stands_only_at_the_start(ledger):
    refused(lambda: ledger.append(Open("ds-2", "Record", public_name(OWNER)), OWNER), "only entry 0 may be an open")


def test_create_adopts_its_own_and_refuses_anothers(tmp_path):
    first = new_ledger(folder(tmp_path))
    again = Ledger.create(folder(tmp_path), dataset=first.view.dataset, unit="Record", owner=OWNER)
    assert (again.entry0, again.view) == (first.entry0, first.view)
    for change in ({"owner": STRANGER}, {"dataset": "ds-other"}, {"unit": "User"}):
        asked = {"dataset": first.view.dataset, "unit": "Record", "owner": OWNER, **change}
        refused(lambda asked=asked: Ledger.create(folder(tmp_path), **asked), "another ledger lies here", LedgerOwned)


def two_ledgers(tmp_path):
    for name in ("b", "a"):
        ledger = Ledger.create(folder(tmp_path / name), dataset=f"ds-{name}", unit="Record", owner=OWNER)
        add_shards(ledger, OWNER, [ShardEntry("s1", None)])
        set_limit(ledger, OWNER, epsilon=Decimal(2 if name == "b" else 8), delta=Decimal("1e-6"))
        yield ledger


def test_all_datasets_of_a_job_are_reserved_or_none(tmp_path):
    small, large = two_ledgers(tmp_path)
    with pytest.raises(BudgetExhausted, match="over the limit 2"):
        reserve_all([(small, OWNER, reserve_of(unit=100_000)), (large, OWNER, reserve_of(unit=100_000))])
    assert small.view.reservations == {}
    assert large.view.open_reservations() == ()
    assert large.view.committed_epsilon() == 0
    heads = reserve_all([(small, OWNER, reserve_of(unit=1000)), (large, OWNER, reserve_of(unit=1000))])
    assert heads == [small.view.head, large.view.head]


def test_a_dataset_twice_in_a_job_is_refused(tmp_path):
    _, ledger = two_ledgers(tmp_path)
    requests = [(ledger, OWNER, reserve_of()), (reopen(ledger), OWNER, reserve_of(silo="b"))]
    refused(lambda: reserve_all(requests), "two silos of one job use the same dataset ds-a", InvalidInput)
    assert ledger.refresh().reservations == {}


def test_a_key_of_an_earlier_reservation_charges_no_later_one(ledger):
    reserve(ledger, WRITER, reserve_of(rounds=2))
    close(ledger, WRITER, job="job-1", silo="mercy", reason="")
    reserve(ledger, WRITER, reserve_of(rounds=2, silo_key=public_name(key("new silo"))))
    refused(lambda: charge(ledger, SILO, charge_of()), "must be signed by its key of this job")
    assert charge(ledger, key("new silo"), charge_of()) is True
    assert digest("update") in ledger.view.charged["job-1", "mercy"].values()
