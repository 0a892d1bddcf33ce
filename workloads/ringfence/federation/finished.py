"""A job after its last commit, as its results are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.acceptance.accepted import Acceptance
from ringfence.federation.rounds import Commit
from ringfence.training.flat import FlatModel


@dataclass(frozen=True)
class Finished:
    """`before` maps each private silo to its ledger's reading before the job began, a decimal string.

    `image` is what its silos ran; empty for processes of this machine.
    """

    acceptance: Acceptance
    uid: str
    commits: list[Commit]
    model: FlatModel
    before: Mapping[str, str]
    image: str = ""
