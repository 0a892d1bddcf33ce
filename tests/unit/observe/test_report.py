"""The report is one page that fetches nothing, shows every figure, and reads the same to everyone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "statement"))
sys.path.insert(0, str(Path(__file__).parent))

from page_reading import Page
from statement_samples import ledger, privacy, public_only, rounds, sample, signed, silo

from ringfence.errors import InvalidInput
from ringfence.observe.report import render
from ringfence.privacy.statement import build, words


def test_the_page_refers_to_nothing_outside_itself() -> None:
    page = Page(render(signed(), rounds(), "Readmission"))
    assert page.references() == []
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    assert "default-src 'none'" in page.source


def test_the_page_shows_the_statement_in_all_its_words() -> None:
    page = Page(render(signed(), rounds(), "Readmission"))
    for section in words(signed()):
        for sentence in (section.title, *section.sentences):
            assert sentence in page.text


@pytest.mark.parametrize(
    "shown", ["0.7245", "2.305 of 8 spent, 5.695 left", "before: 0", "1.988", "1.802", "64/9100", "39.0 s in all"]
)
def test_the_page_shows_its_figures(shown: str) -> None:
    assert shown in Page(render(signed(), rounds(), "Readmission")).text


def test_digests_are_folded_away_but_there() -> None:
    page = Page(render(signed(), rounds(), "Readmission"))
    assert page.count("details") == 2
    assert "sha256:" + "d" * 64 in page.inside("details")
    assert "24000, 102000, 802000" in page.inside("details")
    assert "sha256:" not in page.outside("details")


def test_every_drawing_has_a_title_and_every_table_headers() -> None:
    page = Page(render(signed(), rounds(), "Readmission"))
    assert page.count("svg") == 4  # a curve, two budgets, the times
    assert page.count("title") == 1 + page.count("svg")
    assert page.attribute("html", "lang") == ["en"]
    assert all(scope in ("col", "row") for scope in page.attribute("th", "scope"))
    labelled = [name for names in page.attribute("svg", "aria-labelledby") for name in names.split()]
    assert set(labelled) <= set(page.ids()) and len(set(page.ids())) == len(page.ids())


def test_light_and_dark_and_print_are_styled() -> None:
    source = render(signed(), rounds(), "Readmission")
    assert "@media (prefers-color-scheme: dark)" in source and "@media print" in source


def test_public_data_shows_no_budget_and_no_promise() -> None:
    page = Page(render(signed(public_only()), rounds(1), "Public"))
    assert "No privacy guarantee is made for this model" in page.text
    assert "of 8 spent" not in page.text and "Job's epsilon" not in page.text


def test_a_spent_budget_fills_its_bar_and_never_leaves_it() -> None:
    full = privacy(ledger=ledger(spent_before="3", spent_after="9", limit_epsilon="8"))
    source = render(build(sample(silos=(silo("mercy", privacy=full),), rounds=())), [], "Over")
    assert 'width="33.33"' in source and 'width="66.67"' in source
    assert "9 of 8 spent, 0 left" in Page(source).text


def test_a_job_without_rounds_or_metrics_still_has_a_page() -> None:
    page = Page(render(build(sample(rounds=(), metrics={})), [], "Stopped"))
    assert "No metric was computed" in page.text and "unsigned statement" in page.text
    assert "How long it took" not in page.text


def test_a_metric_measured_once_is_told_without_a_curve() -> None:
    page = Page(render(signed(), rounds(1), "Once"))
    assert "auc, measured once on a public hold-out: 0.6400" in page.text


def test_an_undefined_metric_is_a_gap_not_a_failure() -> None:
    history = rounds(4)
    history[1]["metrics"] = {"auc": "nan"}
    assert "nan" not in Page(render(signed(), history, "Gap")).text.lower()


def test_many_rounds_stay_a_page() -> None:
    source = render(signed(), rounds(2000), "Long")
    assert "each bar the mean of 17 rounds" in Page(source).text
    assert Page(source).count("rect") < 1000


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"seconds": "1"}, "rounds: each round needs its number"),
        ({"round": 3}, r"rounds\[3\]\.seconds: not a number"),
        ({"round": 3, "seconds": "-1"}, r"rounds\[3\]: seconds must be finite"),
        ({"round": 3, "seconds": "nan"}, r"rounds\[3\]: seconds must be finite"),
        ({"round": 3, "seconds": "1", "metrics": {"auc": "high"}}, r"rounds\[3\]\.metrics: not a number"),
        ({"round": 3, "seconds": "1", "parts": {"wait": "inf"}}, r"rounds\[3\]: seconds must be finite"),
    ],
)
def test_a_malformed_round_is_named(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        render(signed(), [entry], "Bad")
