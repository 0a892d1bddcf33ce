"""The closed set of reasons and its documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ringfence_operator import reasons

DOCS = Path(__file__).parents[3] / "docs/operations.md"


def documented() -> set[str]:
    rows = [line.split("|")[1] for line in DOCS.read_text().splitlines() if re.match(r"\| `[A-Z]", line)]
    return {word for row in rows for word in re.findall(r"`([A-Z][A-Za-z]+)`", row)}


@pytest.mark.parametrize("reason", sorted(reasons.ALL))
def test_every_reason_has_its_remedy_in_the_handbook(reason: str) -> None:
    assert reason in documented()


def test_the_handbook_has_no_reason_that_does_not_exist() -> None:
    assert documented() - reasons.ALL == set()


@pytest.mark.parametrize("name", ["Task", "RingfenceError.__init__", "canonical", "", "WorkloadFailed", "annotations"])
def test_a_word_that_is_no_error_of_ours_is_a_failure_of_the_workload(name: str) -> None:
    assert reasons.known(name) == reasons.WORKLOAD_FAILED


def test_an_error_of_ours_keeps_its_reason() -> None:
    assert reasons.known("KeyRejected") == "KeyRejected"
    assert reasons.known("StoreError") == "StoreUnavailable"
