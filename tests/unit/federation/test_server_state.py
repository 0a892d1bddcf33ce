"""Promise 5 for server optimizers: a coordinator that is started again goes on with the same bits, state included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence.errors import RingfenceError
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.collecting import Coordination, Member
from ringfence.federation.coordinator import Coordinator
from ringfence.federation.strategies import STRATEGIES
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.open import Stores
from ringfence.training.flat import FlatModel

JOB, SILOS, ROUNDS = "job-1", ("a", "b", "c"), 5
KEYS = {
    name: JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate()) for name in (*SILOS, rounds.COORDINATOR)
}
ARGUMENTS = {"fedprox": {"mu": "1"}} | {name: {"learning_rate": "0.1"} for name in ("fedadam", "fedyogi", "fedadagrad")}


class Killed(BaseException):
    pass


def sealed(made: Coordinator, round_: int, silo: str) -> bytes:
    """A silo's update, which depends on (round, silo) only."""
    # The first two cancel: the third survives only where it is added last, in the order of names.
    draw, scale = np.random.default_rng([round_, silo == "c"]), {"a": 1e12, "b": -1e12, "c": 1.0}[silo]
    values = scale * draw.normal(size=len(made._model.vector)).astype(np.float32)
    recipients = {rounds.COORDINATOR: KEYS[rounds.COORDINATOR].public.seal}
    header = {"model": rounds.model_digest(made._model)}
    address = envelope.Address("update", JOB, round_, silo)
    return envelope.seal(address, rounds.pack_update(values.astype(np.float32)), recipients, KEYS[silo].sign, header)


def coordinator(store, name: str, last: int = ROUNDS) -> Coordinator:
    """A coordinator whose silos answer at once; it is killed before round `last` + 1."""
    torch.manual_seed(0)
    model = FlatModel(torch.nn.Linear(30, 2))
    members = {silo: Member(KEYS[silo].public, 100 + len(silo)) for silo in SILOS}
    spec = StrategySpec(name=name, **ARGUMENTS.get(name, {}))
    own = KEYS[rounds.COORDINATOR]
    made = Coordinator(Coordination(JOB, ROUNDS, len(SILOS), 5.0, spec, members), store, own, model)

    def answer():
        round_ = made.committed() + 1
        if round_ > last:
            raise Killed
        for silo in SILOS:
            store.put_if_absent(layout.update(round_, silo), sealed(made, round_, silo))
        return {}

    made.watch(answer)
    return made


def open_store(path):
    return Stores().open(f"file://{path}")


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("last", [1, 3])
def test_a_killed_coordinator_resumes_to_the_same_bits(tmp_path, name, last):
    whole = coordinator(open_store(tmp_path / "whole"), name).run()
    store = open_store(tmp_path / "killed")
    with pytest.raises(Killed):
        coordinator(store, name, last).run()
    resumed = coordinator(store, name).run()
    assert [(one.model, one.state) for one in resumed] == [(one.model, one.state) for one in whole]
    assert bool(resumed[-1].state) == (name in ("fedavgm", "fedadam", "fedyogi", "fedadagrad"))


def test_a_state_that_is_not_the_committed_one_is_refused(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(Killed):
        coordinator(store, "fedavgm", 2).run()
    first, second = coordinator(store, "fedavgm")._adopt()
    store.put(layout.state(2, second.state), store.get(layout.state(1, first.state)))
    with pytest.raises(RingfenceError, match=r"checkpoints/2-.*-state"):
        coordinator(store, "fedavgm").run()


def test_a_state_of_the_same_round_that_was_not_committed_is_refused(tmp_path):
    """As a second coordinator with other members would have left it."""
    store = open_store(tmp_path)
    with pytest.raises(Killed):
        coordinator(store, "fedavgm", 1).run()
    made = coordinator(store, "fedavgm")
    (commit,) = made._adopt()
    store.delete(layout.state(1, commit.state))
    made._put("state", 1, layout.state(1, commit.state), rounds.pack_state(made._step.start(len(made._model.vector))))
    with pytest.raises(RingfenceError, match="the state is not the one that was committed"):
        coordinator(store, "fedavgm").run()


@pytest.mark.parametrize("order", [SILOS, SILOS[::-1], ("c", "a", "b")], ids="".join)
def test_updates_that_arrive_in_any_order_make_the_same_bits(tmp_path, order):
    """They are added in the order of names, however late the first one comes."""
    expected = coordinator(open_store(tmp_path / "at once"), "fedavgm").run()
    store = open_store(tmp_path / "one by one")
    made = coordinator(store, "fedavgm")

    def one_more():
        round_ = made.committed() + 1
        missing = [silo for silo in order if not store.exists(layout.update(round_, silo))]
        for silo in missing[:1]:
            store.put(layout.update(round_, silo), sealed(made, round_, silo))
        return {}

    made.watch(one_more)
    assert [one.model for one in made.run()] == [one.model for one in expected]
