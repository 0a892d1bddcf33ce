"""Scores against their definitions, and which target can have which score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.federation.evaluate import accuracy, auc, check_metrics
from ringfence.schema import DatasetSchema

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


def test_accuracy_of_two_and_of_many_classes():
    assert accuracy(np.array([-1.0, 2.0, 0.5]), np.array([0.0, 1.0, 0.0])) == pytest.approx(2 / 3)
    logits = np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    assert accuracy(logits, np.array([0.0, 2.0, 0.0])) == pytest.approx(2 / 3)


def schema(**target: object) -> DatasetSchema:
    columns = [{"name": "age", "type": "number", "minimum": "0", "maximum": "120"}]
    return DatasetSchema.model_validate({"columns": [*columns, *([{"role": "target", **target}] if target else [])]})


NUMBER = {"name": "stay", "type": "number", "minimum": "0", "maximum": "60"}
THREE = {"name": "ward", "type": "category", "values": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("metric", "target", "expected"),
    [
        ("auc", THREE, "auc needs a target of two classes, but the target 'ward' is category"),
        ("auc", {}, "auc needs a target of two classes, but no target is declared"),
        ("accuracy", NUMBER, "accuracy needs a target of classes, but the target 'stay' is number"),
        ("rmse", THREE, "rmse needs a target that is a number, but the target 'ward' is category"),
        ("mae", {}, "mae needs a target that is a number, but no target is declared"),
    ],
)
def test_a_score_that_the_target_cannot_have_is_refused(metric, target, expected):
    with pytest.raises(InvalidInput, match=expected):
        check_metrics([metric], schema(**target))


def test_scores_that_the_target_can_have_pass():
    check_metrics(["rmse", "mae", "loss"], schema(**NUMBER))
    check_metrics(["accuracy", "loss"], schema(**THREE))
    check_metrics(["loss"], schema())
