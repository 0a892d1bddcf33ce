"""The coordinator against a bucket in which anybody may write: one commit, and nothing forged gets in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence import canonical
from ringfence.errors import DeadlineExceeded, QuorumLost, SignatureRejected
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.collecting import Coordination, Member
from ringfence.federation.coordinator import Coordinator
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.open import Stores
from ringfence.training.flat import FlatModel

JOB = "job-1"


def keys() -> JobKeys:
    return JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())


COORDINATOR, A, B, STRANGER = keys(), keys(), keys(), keys()
SILOS = {"a": A, "b": B}


def model() -> FlatModel:
    torch.manual_seed(0)
    return FlatModel(torch.nn.Linear(3, 1))


@pytest.fixture
def store(tmp_path):
    return Stores().open(f"file://{tmp_path}")


def coordinator(store, *, quorum: int = 2, deadline: float = 0.4, whole_deadline: float | None = None) -> Coordinator:
    members = {name: Member(key.public, 100) for name, key in SILOS.items()}
    plan = Coordination(JOB, 1, quorum, deadline, StrategySpec(name="fedavg"), members, deadline=whole_deadline)
    return Coordinator(plan, store, COORDINATOR, model())


def update(silo: str, values=(1, 1, 1, 1), *, key: JobKeys | None = None, round_: int = 1, **header) -> bytes:
    payload = rounds.pack_update(np.array(values, dtype=np.float32))
    address = envelope.Address("update", JOB, round_, silo)
    recipients = {rounds.COORDINATOR: COORDINATOR.public.seal}
    signer = (key or SILOS[silo]).sign
    return envelope.seal(address, payload, recipients, signer, {"model": rounds.model_digest(model()), **header})


def put(store, silo: str, data: bytes, round_: int = 1) -> None:
    store.put(layout.update(round_, silo), data)


def test_two_updates_make_the_mean_and_one_commit(store):
    put(store, "a", update("a", (1, 1, 1, 1)))
    put(store, "b", update("b", (3, 3, 3, 3)))
    (commit,) = coordinator(store).run()
    assert sorted(commit.members) == ["a", "b"]
    assert commit.members["a"] == canonical.digest(store.get(layout.update(1, "a")))
    expected = model()
    expected.load(expected.vector + 2)
    assert commit.model == rounds.model_digest(expected)


FORGED = {
    "another signer": lambda: update("b", key=STRANGER),
    "another round's": lambda: update("b", round_=2),
    "another silo's": lambda: update("a"),
    "of another model": lambda: update("b", model="sha256:" + "0" * 64),
    "not finite": lambda: update("b", (1, float("nan"), 1, 1)),
    "infinite": lambda: update("b", (1, float("inf"), 1, 1)),
    "too short": lambda: update("b", (1, 1, 1)),
    "garbage": lambda: b"garbage",
    "empty": lambda: b"",
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_forged_or_broken_is_left_out_at_quorum(store, forged):
    put(store, "a", update("a"))
    put(store, "b", FORGED[forged]())
    (commit,) = coordinator(store, quorum=1).run()
    assert list(commit.members) == ["a"]


def test_without_the_quorum_there_is_no_commit(store):
    put(store, "a", update("a"))
    with pytest.raises(
        QuorumLost, match=r"round 1: 1 of 2 silos .* the quorum is 2 \(b: no answer before the deadline\)"
    ):
        coordinator(store).run()
    assert not store.exists(layout.commit(1))


def test_an_absence_is_an_answer_only_if_its_silo_signed_it(store):
    put(store, "a", update("a"))
    store.put(layout.absence(1, "b"), rounds.absence(JOB, 1, "b", STRANGER.sign))
    with pytest.raises(QuorumLost, match="no answer before the deadline"):
        coordinator(store).run()
    store.put(layout.absence(1, "b"), rounds.absence(JOB, 1, "b", B.sign))
    with pytest.raises(QuorumLost, match="the others sat out"):
        coordinator(store, deadline=60).run()


def test_a_second_coordinator_adopts_the_commit_of_the_first(store):
    put(store, "a", update("a", (1, 1, 1, 1)))
    put(store, "b", update("b", (3, 3, 3, 3)))
    first = coordinator(store).run()
    put(store, "b", update("b", (9, 9, 9, 9)))  # what comes now changes nothing
    assert coordinator(store).run() == first


def test_of_two_coordinators_that_commit_at_once_the_second_adopts(store):
    """The loser aggregated other updates; it must go on from the winner's model, never publish its own."""
    put(store, "a", update("a"))
    loser, winner = coordinator(store, quorum=1, deadline=0), coordinator(store, quorum=1, deadline=0)
    scored = []

    def race(flat):
        if not scored:
            scored.append(True)
            put(store, "b", update("b", (3, 3, 3, 3)))
            winner.run()
        return {}

    loser._evaluate = race
    (commit,) = loser.run()
    assert sorted(commit.members) == ["a", "b"]
    assert rounds.model_digest(loser._model) == commit.model


def test_a_commit_that_somebody_else_signed_is_refused(store):
    forged = rounds.Commit(JOB, 1, {}, "sha256:0", "sha256:0").signed(STRANGER.sign)
    store.put(layout.commit(1), forged)
    with pytest.raises(SignatureRejected, match="rounds/1/commit"):
        coordinator(store).run()


def test_the_whole_jobs_deadline(store):
    with pytest.raises(DeadlineExceeded, match="the job's time was up in round 1"):
        coordinator(store, deadline=60, whole_deadline=0.0).run()
