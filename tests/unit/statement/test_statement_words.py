"""The plain words mention everything a reader must know, and only what is true of these facts."""

from __future__ import annotations

import sys
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from statement_samples import ledger, privacy, public_only, sample, signed, silo

from ringfence.errors import InvalidInput
from ringfence.privacy.statement import build, figures, words


def text(facts: Any) -> str:
    return "\n".join(f"{section.title}\n" + "\n".join(section.sentences) for section in words(build(facts)))


@pytest.mark.parametrize(
    "said",
    [
        "protects one record at a time",
        "mercy: 9,100; stjude: 4,200",
        "zero-out (replace-special; same values as add/remove)",
        "No privacy guarantee is made for the records of openclinic",
        "epsilon is at most 1.988 at delta 0.000001",
        "a factor of at most 7.30 (the odds factor",
        "Approved by, for each silo: mercy: PrivacyBudget mercy/patients",
        "The owners' keys being in honest hands",
        "Poisson sampling having been performed",
        "rate 64/9100, noise multiplier 0.913412, clip 1",
        "keyed by the operating system",
        "Facts about groups",
        "People who are not in the data",
        "several records in one dataset",
        "with a record in all 2 private silos, that person has epsilon at most 1.649 at delta 0.000002, a factor",
        "each silo drew its own noise, and the costs add up order by order",
        "declared public: nothing protects the people in it",
        "who administers a cluster, a silo's machines or its network",
        "made outside this ledger are not counted",
        "the highest limit ever set is 8 for mercy, 8 for stjude",
        "The job's epsilon is what this job alone may cost",
        "The ledger's spent epsilon is what everything ever charged",
        "The PLD epsilon is a sharper calculation",
        "for all the steps that were planned, even if the job stopped early",
        "PLD epsilon 1.802 for 2,840 planned steps",
        "never added to one another",
        "0 spent before, 2.305 after, of a limit of 8",
        "endorsed",
    ],
)
def test_the_words_say(said: str) -> None:
    assert said in text(sample())


def test_public_data_gets_no_promise() -> None:
    said = text(public_only())
    assert "No privacy guarantee is made for this model." in said
    for word in ("epsilon", "protects one record", "ledger", "guarantee depends"):
        assert word not in said.lower()


def test_a_limit_that_was_higher_is_named() -> None:
    lowered = privacy(ledger=ledger(limit_epsilon="4", highest_epsilon="8"))
    said = text(sample(silos=(silo("mercy", privacy=lowered),), rounds=()))
    assert "the highest limit ever set is 8 for mercy (above the limit of today)" in said
    assert "that promise ended when the limit was raised" in said


def test_one_private_silo_claims_no_composed_figure() -> None:
    said = text(sample(silos=(silo("mercy"),), rounds=()))
    assert "private silos" not in said
    assert "A person who is also in another dataset" in said


def test_an_early_stop_and_charges_without_use_are_told() -> None:
    cost = privacy().cost
    early = privacy(rounds_charged=0, cost=type(cost)(orders=cost.orders, round=cost.round, total=(0, 0, 0)))
    assert "0 of 20 planned rounds were charged (the job stopped early" in text(
        sample(silos=(silo("mercy", privacy=early),), rounds=())
    )
    unused = text(sample(silos=(silo("mercy"), silo("stjude")), rounds=()))
    assert "mercy was charged for 20 rounds more than the model uses" in unused


def test_no_metrics_no_word_of_a_hold_out() -> None:
    assert "hold-out" not in text(sample(metrics={}))


def test_silos_of_different_epsilon_are_told_apart() -> None:
    said = text(sample(silos=(silo("mercy"), silo("stjude", privacy=privacy(job_epsilon="1"))), rounds=()))
    assert "mercy: epsilon is at most 1.988" in said
    assert "stjude: epsilon is at most 1 at" in said


def test_words_of_a_signed_document_are_the_same() -> None:
    assert words(signed()) == words(build(sample()))
    with pytest.raises(InvalidInput, match="statement"):
        words({"kind": "Statement"})


@pytest.mark.parametrize(
    ("value", "shown"), [("1.9870001", "1.988"), ("2", "2"), ("0", "0"), ("1e-9", "less than 0.001")]
)
def test_an_epsilon_is_never_shown_too_small(value: str, shown: str) -> None:
    assert figures.epsilon(value) == shown


def test_what_is_left_is_never_shown_too_large() -> None:
    assert figures.left(Decimal("0.0999")) == "0.099"
    assert figures.left(Decimal("-1")) == "0"


def test_factor_and_chance_are_the_bounds_of_the_definition() -> None:
    with localcontext() as context:
        context.prec = 40
        for epsilon in map(Decimal, ("0", "0.1", "1", "2", "8", "19.9")):
            odds = epsilon.exp()
            assert Decimal(figures.factor(epsilon).replace(",", "")) - odds < Decimal("0.01")
            assert Decimal(figures.factor(epsilon).replace(",", "")) >= odds
            chance = Decimal(figures.guess(epsilon, Decimal("1e-6"))) / 100
            assert Decimal(1) >= chance >= min(Decimal(1), (odds + Decimal("1e-6")) / (1 + odds))
    assert figures.guess(Decimal(0), Decimal(0)) == "50"
    assert figures.factor(Decimal("50000")) == "more than 400 million"
