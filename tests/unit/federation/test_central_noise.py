"""Unit Silo at the coordinator: noise of the size that was charged, drawn once a round whatever happens."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scipy.stats import chi2
from support.crashes import Fuse, FusedStore
from support.threads import Crash

from ringfence.errors import QuorumLost, RingfenceError
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.central import CentralNoise, Charged
from ringfence.federation.collecting import Coordination, Member
from ringfence.federation.coordinator import Coordinator
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.open import Stores
from ringfence.training.flat import FlatModel

JOB, CLIP, NOISE = "job-1", 2.0, 3.0
COORDINATOR, A, B = (JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate()) for _ in range(3))
SILOS = {"a": A, "b": B}
SIZE = 4000
CHARGED = Charged(0, NOISE)


def model() -> FlatModel:
    """SIZE trainable parameters and SIZE frozen ones, all 0."""
    layers = torch.nn.Sequential(torch.nn.Linear(SIZE, 1, bias=False), torch.nn.Linear(SIZE, 1, bias=False))
    layers[1].weight.requires_grad_(False)
    flat = FlatModel(layers)
    flat.load(torch.zeros(2 * SIZE))
    return flat


def coordinator(store, *, quorum: int = 2, charged=CHARGED, strategy="fedavg", **more) -> Coordinator:
    members = {name: Member(key.public, 1) for name, key in SILOS.items()}
    noise = CentralNoise(CLIP, len(members), lambda: charged)
    spec = StrategySpec(name=strategy, **({"learning_rate": "0.1"} if strategy == "fedadam" else {}))
    plan = Coordination(JOB, 1, quorum, 0.4, spec, members, noise=noise)
    return Coordinator(plan, store, COORDINATOR, model(), **more)


def put(store, silo: str, value: float = 0.0, *, round_: int = 1, start: FlatModel | None = None) -> None:
    values = np.zeros(2 * SIZE, dtype=np.float32)
    values[:SIZE] = value
    address = envelope.Address("update", JOB, round_, silo)
    recipients = {rounds.COORDINATOR: COORDINATOR.public.seal}
    named = {"model": rounds.model_digest(start or model())}
    store.put(
        layout.update(round_, silo),
        envelope.seal(address, rounds.pack_update(values), recipients, SILOS[silo].sign, named),
    )


@pytest.fixture
def store(tmp_path):
    return Stores().open(f"file://{tmp_path}")


def committed(store) -> torch.Tensor:
    """The model of the last commit, as any coordinator restores it."""
    again = coordinator(store)
    again.run()
    return again._model.vector.clone()


def test_the_noise_on_the_sum_is_as_large_as_was_charged_and_leaves_frozen_parameters_alone(store):
    """Mean over the job's silos of two updates of 0.01, plus N(0, (sigma C)^2) / K; chi-square band of 1e-6."""
    put(store, "a", 0.01)
    put(store, "b", 0.01)
    coordinator(store).run()
    vector = committed(store).double()
    noise = (vector[:SIZE] - 0.01) * len(SILOS)
    low, high = chi2.ppf([5e-7, 1 - 5e-7], SIZE)
    assert low <= (noise.square().sum() / (NOISE * CLIP) ** 2).item() <= high
    assert not vector[SIZE:].any()


def test_a_silo_that_sits_out_adds_nothing_and_the_denominator_stays(store):
    put(store, "a", 0.03)
    store.put(layout.absence(1, "b"), rounds.absence(JOB, 1, "b", B.sign))
    coordinator(store, quorum=1, charged=Charged(0, 0.001)).run()
    assert committed(store)[:SIZE].double().mean().item() == pytest.approx(0.015, abs=0.001)


def test_an_update_longer_than_the_clip_is_left_out(store):
    put(store, "a")
    put(store, "b", 1.001 * CLIP / SIZE**0.5)
    with pytest.raises(QuorumLost, match="sent what does not open"):
        coordinator(store).run()
    put(store, "b", CLIP / SIZE**0.5)
    (commit,) = coordinator(store).run()
    assert sorted(commit.members) == ["a", "b"]


def test_who_is_in_the_noised_mean_stands_in_clear_and_nothing_of_the_updates(store):
    put(store, "a", 0.01)
    put(store, "b", 0.01)
    (commit,) = coordinator(store).run()
    data = store.get(layout.noised(1))
    head = json.loads(data[10 : 10 + int.from_bytes(data[6:10], "big")])
    assert head["members"] == commit.members and list(head["recipients"]) == ["coordinator"]


# Writes of a round: model, noised mean, checkpoint, state of the server optimizer, commit.
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(1, 6))
def test_a_coordinator_killed_at_any_write_never_draws_a_second_noise_for_a_round(store, write, after):
    put(store, "a", 0.01)
    put(store, "b", 0.01)
    fuse = Fuse(write, after)
    with pytest.raises(Crash):
        coordinator(FusedStore(store, fuse), strategy="fedadam").run()
    drawn = store.get(layout.noised(1)) if store.exists(layout.noised(1)) else None
    commits = coordinator(store, strategy="fedadam").run()
    assert drawn in (None, store.get(layout.noised(1)))
    assert (drawn is None) == ((write, after) < (2, True))
    again = coordinator(store, strategy="fedadam")
    assert again.run() == commits and rounds.model_digest(again._model) == commits[0].model


def test_a_coordinator_makes_five_writes_a_round(store):
    """Keeps the range above honest."""
    put(store, "a")
    put(store, "b")
    fuse = Fuse()
    coordinator(FusedStore(store, fuse), strategy="fedadam").run()
    assert fuse.writes == 5, fuse.log


def test_scores_that_fail_on_a_model_do_not_choose_its_noise(store):
    """Started again until the scores like the model, a coordinator that drew anew would release a chosen draw."""
    put(store, "a")
    put(store, "b")
    seen = []

    def picky(flat):
        seen.append(rounds.model_digest(flat))
        if len(seen) < 3:
            raise RingfenceError("not this model")
        return {}

    for _ in range(2):
        with pytest.raises(RingfenceError, match="not this model"):
            coordinator(store, evaluate=picky).run()
    coordinator(store, evaluate=picky).run()
    assert len(seen) == 3 and len(set(seen)) == 1


def test_of_two_coordinators_that_draw_at_once_one_noise_counts(store):
    put(store, "a", 0.01)
    put(store, "b", 0.01)
    slow = coordinator(store)
    collect = slow._collector.collect

    def overtaken(*given):
        received = collect(*given)
        coordinator(store).run()
        return received

    slow._collector.collect = overtaken
    (commit,) = slow.run()
    assert rounds.model_digest(slow._model) == commit.model
    assert torch.equal(committed(store), slow._model.vector)


def test_a_store_that_forgot_a_released_round_gets_no_second_noise(store):
    """Its updates are all there, so another draw would be a second release under one charge."""
    put(store, "a")
    put(store, "b")
    coordinator(store).run()
    for forgotten in (layout.commit(1), layout.noised(1)):
        store.delete(forgotten)
    with pytest.raises(RingfenceError, match="round 1 was released before: silos were charged for a later one"):
        coordinator(store, charged=Charged(2, NOISE)).run()
    assert not store.exists(layout.noised(1))


def test_a_noised_mean_of_another_round_or_signer_is_refused(store):
    put(store, "a")
    put(store, "b")
    address = envelope.Address("noised", JOB, 2, rounds.COORDINATOR)
    recipients = {rounds.COORDINATOR: COORDINATOR.public.seal}
    for signer, where in ((COORDINATOR, address), (A, envelope.Address("noised", JOB, 1, rounds.COORDINATOR))):
        forged = envelope.seal(where, rounds.pack_update(np.zeros(2 * SIZE, dtype=np.float32)), recipients, signer.sign)
        store.put(layout.noised(1), forged)
        with pytest.raises(RingfenceError, match="rounds/1/noised"):
            coordinator(store).run()
