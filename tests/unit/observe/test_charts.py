"""Charts place every figure where its axis says it is."""

from __future__ import annotations

import pytest

from ringfence.observe import charts, rounds


def test_a_thinned_curve_ends_at_the_last_round() -> None:
    drawn = charts.curve([(number, float(number % 7)) for number in range(1, 1001)])
    assert drawn.last == (charts.WIDTH - charts.RIGHT, charts.curve([(1, 0.0), (2, 6.0), (3, 6.0), (4, 6.0)]).last[1])
    assert len(drawn.points.split()) <= 301
    assert drawn.x_ticks[0].label == "1" and drawn.x_ticks[-1].label == "1000"


def test_values_lie_between_the_ticks_in_proportion() -> None:
    drawn = charts.curve([(1, 0.5), (2, 0.6), (3, 0.7)])
    heights = {tick.label: tick.at for tick in drawn.y_ticks}
    assert [point[1] for point in drawn.dots] == [heights["0.50"], heights["0.60"], heights["0.70"]]


def test_a_constant_metric_still_has_an_axis() -> None:
    drawn = charts.curve([(1, 0.7), (2, 0.7)])
    assert len(drawn.y_ticks) >= 2 and len({tick.label for tick in drawn.y_ticks}) == len(drawn.y_ticks)
    assert charts.curve([(1, 0.0), (2, 0.0)]).y_ticks


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.713, 0.7245), (-3.0, 5e6), (1e-7, 2e-7), (4.0, 4.0)])
def test_ticks_enclose_their_values_with_distinct_labels(low: float, high: float) -> None:
    marks = charts.steps(low, high)
    assert marks[0] <= low + 1e-12 and marks[-1] >= high - 1e-12
    assert 2 <= len(marks) <= 8


def test_times_stack_to_the_rounds_seconds() -> None:
    history = rounds.read([{"round": 1, "seconds": "2", "parts": {"wait": "1", "publish": "0.5"}}])
    drawn = charts.times(history)
    assert drawn.parts == ("publish", "wait", "other")
    assert sum(bar.height for bar in drawn.bars) == pytest.approx(drawn.y_ticks[0].at - drawn.bars[-1].y)
    assert drawn.bars[-1].y == next(tick.at for tick in drawn.y_ticks if tick.label == "2.0")


def test_a_round_of_no_time_draws_nothing() -> None:
    assert charts.times(rounds.read([{"round": 1, "seconds": "0"}])).bars == ()
