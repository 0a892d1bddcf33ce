"""A study told again, with one seed and one epsilon: the figures of its example still hold within their spread."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from ringfence.demo import study
from ringfence.demo.medicine import STORY
from ringfence.observe.progress import SilentProgress

FIGURES = Path(__file__).parents[2] / "examples" / STORY.name / "figures.json"
LEAST = 0.01
"""What a score may differ by where three seeds happened to agree."""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    story = replace(STORY, seeds=(1,), epsilons=("2",))
    return study.tell(story, tmp_path_factory.mktemp("study") / "medicine", SilentProgress())


def test_the_examples_figures_still_hold(told):
    written = {(one["name"], one["data"]): one["auc"] for one in json.loads(FIGURES.read_text())["scores"]}
    assert len(told.scores) == 5
    for score in told.scores:
        values = [float(value) for value in written[score.name, score.data]]
        assert abs(score.mean - fmean(values)) <= max(LEAST, 4 * stdev(values)), score


def test_only_the_storys_own_job_was_charged_to_the_budgets_it_leaves(told):
    assert {(account.silo, account.limit) for account in told.accounts} == {
        ("NORTH", "6"),
        ("CENTRE", "6"),
        ("SOUTH", "6"),
    }
    assert all(2.3 < float(account.spent) < 2.6 for account in told.accounts)


def test_what_is_left_behind_is_whole(told):
    names = {path.name for path in told.folder.iterdir()}
    assert {"job.yaml", "budgets.yaml", "schema.yaml", "keys", "store", "rows", "report.html"} <= names
