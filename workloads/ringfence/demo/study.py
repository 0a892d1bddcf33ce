"""A story as a study: every silo alone, all federated, all federated with privacy, each over several seeds.

The story's own job runs first, under the budgets that stay in the folder. The other runs with privacy are the study's:
no owner would let a team try seeds and epsilons on the rows, so they run on datasets of their own, sealed from the same
rows, with a budget that admits them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ringfence.demo import stage
from ringfence.demo.cast import Cast
from ringfence.demo.folder import Folder, make_folder
from ringfence.demo.owners import make_keys, private_sealings, sealings
from ringfence.demo.recipe import Recipe
from ringfence.demo.study_ending import Score, StudyEnding
from ringfence.observe.progress import Progress
from ringfence.spec import FederatedJob, Manifests

_STUDY_LIMIT = "1000"


@dataclass(frozen=True)
class StoryData:
    """Rows of each silo, the common hold-out, and a line on each thing that was done to them."""

    silos: dict[str, pa.Table]
    holdout: pa.Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """`question` is what the model answers, in one line; `epsilon` the story's own, `epsilons` those of the study.

    `baselines` gives (name, score) of what needs no model, on the hold-out, in the recipe's metric.
    """

    name: str
    question: str
    cast: Cast
    recipe: Recipe
    read: Callable[[], StoryData]
    epsilon: str = "2"
    epsilons: tuple[str, ...] = ("1", "2", "4", "8")
    seeds: tuple[int, ...] = (1, 2, 3)
    baselines: Callable[[StoryData], tuple[tuple[str, float], ...]] | None = None

    def job(self) -> FederatedJob:
        """The job that the story is about."""
        return self.recipe.on_rows(self.cast, self.epsilon, self.name)


def tell(story: Story, wanted: Path | None, progress: Progress) -> StudyEnding:
    """Run the story in a new folder. Raises InvalidInput when folder or data cannot be used."""
    started = time.monotonic()
    folder = make_folder(wanted, story.name)
    progress.stage("starting one process for each silo")
    with stage.cluster(story.cast.silos) as cluster:
        data = _prepare(story, folder, progress)
        make_keys(folder, (*story.cast.silos, story.cast.team))
        budgets = stage.set_up(folder, story.cast, story.job(), sealings(story.cast), progress)
        folder.write_manifest("budgets.yaml", *budgets)
        folder.write_manifest("job.yaml", story.job())
        result = stage.run(folder, Manifests((story.job(),), budgets), cluster, progress, "the job")
        accounts = stage.accounts(folder, story.job(), budgets)
        scores = tuple(_scores(story, folder, cluster, progress))
    report = folder.root / "report.html"
    report.write_bytes(result.stores.open(result.output).get("report.html"))
    return StudyEnding(
        folder=folder.root,
        question=story.question,
        metric=story.recipe.metric,
        better=story.recipe.better,
        epsilon=story.epsilon,
        score=result.metrics[story.recipe.metric],
        baselines=story.baselines(data) if story.baselines else (),
        scores=scores,
        accounts=accounts,
        notes=(f"{sum(rows.num_rows for rows in data.silos.values()):,} rows, {_sizes(data)}.", *data.notes),
        output=result.output,
        report=report,
        seconds=time.monotonic() - started,
    )


def _prepare(story: Story, folder: Folder, progress: Progress) -> StoryData:
    progress.stage("reading the data")
    data = story.read()
    for name, rows in {**data.silos, "holdout": data.holdout}.items():
        folder.write_rows(name, rows)
    folder.write_schema(story.name)
    return data


def _sizes(data: StoryData) -> str:
    return ", ".join(f"{silo.upper()} {rows.num_rows:,}" for silo, rows in data.silos.items())


@dataclass(frozen=True)
class Kind:
    """Runs that differ in their seed alone."""

    name: str
    data: str
    jobs: tuple[FederatedJob, ...]


def plain_kinds(story: Story) -> list[Kind]:
    """Each silo alone, then all of them, on copies sealed as public."""
    cast, recipe = story.cast, story.recipe

    def jobs(name: str, *silos: str) -> tuple[FederatedJob, ...]:
        return tuple(recipe.on_copies(cast, silos, f"{name}-{seed}", seed) for seed in story.seeds)

    alone = [Kind(f"{silo.upper()} alone", "public copy", jobs(f"{silo}-alone", silo)) for silo in cast.silos]
    return [*alone, Kind("all federated", "public copies", jobs("all", *cast.silos))]


def private_kinds(story: Story) -> list[Kind]:
    """All federated on private rows, for each epsilon, under the study's own budgets."""
    cast, recipe = study_cast(story), story.recipe
    return [
        Kind(
            "all federated",
            f"epsilon {epsilon}",
            tuple(recipe.on_rows(cast, epsilon, f"epsilon-{epsilon}-{seed}", seed) for seed in story.seeds),
        )
        for epsilon in story.epsilons
    ]


def study_cast(story: Story) -> Cast:
    """The story's cast with datasets of the study's own."""
    return replace(story.cast, dataset=f"{story.cast.dataset}-study", limit=_STUDY_LIMIT)


def _scores(story: Story, folder: Folder, cluster: Any, progress: Progress) -> Iterator[Score]:
    """One score a kind of run, with a value for each seed."""
    cast, metric = study_cast(story), story.recipe.metric
    budgets = stage.set_up(folder, cast, private_kinds(story)[-1].jobs[0], private_sealings(cast), progress)
    for kind in [*plain_kinds(story), *private_kinds(story)]:
        values = []
        for job in kind.jobs:
            manifests = Manifests((job,), budgets if job.spec.privacy else ())
            title = f"{kind.name}, {kind.data}, seed {job.spec.seed}"
            values.append(stage.run(folder, manifests, cluster, progress, title).metrics[metric])
        yield Score(kind.name, kind.data, tuple(values))
