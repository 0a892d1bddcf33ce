"""Whatever is left open is solved: what comes out fits by its own measure, and one more would not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringfence.errors import InvalidInput, PlanImpossible
from ringfence.privacy.account import rdp_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.open_value import Question, answers
from ringfence.privacy.solve import most
from ringfence.privacy.unsampled import Gaussian, Laplace

DELTA = Decimal("1e-5")
WHOLE: dict[str, Any] = {
    "mechanism": "poisson-gaussian", "delta": DELTA, "adjacency": "zero-out", "noise": Decimal(6),
    "rate": Fraction(1, 5), "steps": 60, "epsilon": Decimal("1.2"),
}  # fmt: skip


def question(**changed: Any) -> Question:
    return Question(**(WHOLE | changed))


def test_steps() -> None:
    laplace = {"mechanism": "laplace", "rate": Fraction(1), "noise": Decimal(20)}
    found = answers(question(**laplace, steps=None))
    assert all(answer.epsilon <= 1.2 for answer in found.values())
    assert rdp_epsilon(Laplace("20", found["rdp"].event.steps + 1), DELTA) > 1.2
    assert found["rdp"].event.steps < found["pld"].event.steps


def test_a_sampling_rate_is_a_whole_number_of_units_where_they_are_known() -> None:
    for answer in answers(question(rate=None, units=70)).values():
        assert isinstance(answer.event, PoissonSampledGaussian)
        drawn = answer.event.sampling_rate * 70
        assert (drawn.denominator, answer.epsilon <= 1.2) == (1, True)
        more = replace(answer.event, sampling_rate=(drawn + 1) / 70)
        assert rdp_epsilon(more, DELTA) > 1.2


def test_noise_and_epsilon_are_each_others_inverse() -> None:
    full = {"mechanism": "gaussian", "rate": Fraction(1)}
    for name, answer in answers(question(**full, noise=None)).items():
        reached = answers(question(**full, noise=Decimal(answer.event.noise_multiplier), epsilon=None))[name].epsilon
        assert 1.2 * 0.9999 < reached <= 1.2, name


def test_a_tighter_accountant_allows_more() -> None:
    found = answers(question(mechanism="gaussian", rate=Fraction(1), noise=Decimal(20), steps=None))
    assert found["rdp"].event.steps <= found["pld"].event.steps <= found["gdp"].event.steps
    assert isinstance(found["gdp"].event, Gaussian)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"steps": None, "epsilon": Decimal("0.001"), "noise": Decimal("0.3")},
            "not even one step stays within epsilon",
        ),
        (
            {"rate": None, "units": 3, "epsilon": Decimal("0.1")},
            "no sampling rate down to 1/3 stays within epsilon 0.1",
        ),
        ({"noise": None, "epsilon": Decimal("0.0001"), "rate": Fraction(1)}, "no noise multiplier up to 10000 reaches"),
    ],
    ids=["steps", "rate", "noise"],
)
def test_what_cannot_be_says_what_to_change(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanImpossible, match=said) as refused:
        answers(question(**changed))
    assert refused.value.remedy.startswith("take fewer steps, a smaller sampling rate")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "exactly one of noise, sampling rate, steps and epsilon is solved, not 0"),
        ({"steps": None, "noise": None}, "is solved, not 2"),
        ({"mechanism": "exponential", "steps": None}, "mechanism 'exponential' is not one of poisson-gaussian"),
        ({"mechanism": "laplace", "steps": None}, "every unit takes part in a laplace mechanism"),
        ({"epsilon": Decimal("NaN"), "steps": None}, "epsilon must be positive and finite, not NaN"),
        ({"epsilon": Decimal(0), "steps": None}, "epsilon must be positive and finite, not 0"),
    ],
    ids=["nothing open", "two open", "mechanism", "rate", "nan", "zero"],
)
def test_a_question_that_is_none_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        question(**changed)


def test_no_noise_is_never_taken_for_noise_left_open() -> None:
    with pytest.raises(InvalidInput, match="not 0; without noise no finite epsilon holds"):
        answers(question(noise=Decimal(0), epsilon=None))


@pytest.mark.parametrize("guess", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("answer", [0, 1, 2, 999, 10**6])
def test_the_most_that_fits_is_found_from_any_guess(guess: int, answer: int) -> None:
    asked: list[int] = []

    def epsilon_at(n: int) -> float:
        asked.append(n)
        return float(n) / 7

    assert most(epsilon_at, (answer + 0.5) / 7, guess=guess, high=10**6) == answer
    assert len(asked) < 60
