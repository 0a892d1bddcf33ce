"""AUC against its definition: the share of pairs that are ordered rightly, ties counted half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.federation.evaluate import auc

pairs = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(pairs)
@settings(deadline=None, max_examples=100)
def test_auc_is_the_share_of_rightly_ordered_pairs(rows):
    ones = [score for score, label in rows if label]
    zeros = [score for score, label in rows if not label]
    expected = np.mean([(one > zero) + 0.5 * (one == zero) for one in ones for zero in zeros])
    found = auc(np.array([s for s, _ in rows], float), np.array([label for _, label in rows], np.float32))
    assert found == pytest.approx(expected)


def test_a_hold_out_of_one_class_has_no_auc():
    with pytest.raises(InvalidInput, match="AUC needs both classes"):
        auc(np.array([0.1, 0.2]), np.array([1.0, 1.0], np.float32))
