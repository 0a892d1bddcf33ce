"""Updates on their way into the sum: nothing that is not one whole, authentic vector of the right kind is added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from safetensors.numpy import save

from ringfence.errors import InvalidInput, KeyRejected
from ringfence.federation import envelope, rounds
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.incoming import add_update
from ringfence.privacy.jobkeys import JobKeys

KEY = JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
ADDRESS = envelope.Address("update", "job-1", 1, "a")
P = 40_000  # more than one block of the cipher


def message(payload: bytes) -> envelope.Message:
    data = envelope.seal(ADDRESS, payload, {rounds.COORDINATOR: KEY.public.seal}, KEY.sign)
    return envelope.read(data, ADDRESS, signer=KEY.public.sign, where="the update")


def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=P).astype(np.float32)


def test_an_update_longer_than_a_block_is_added_whole():
    total = WeightedSum(P)
    for _ in range(2):
        add_update(total, 3, message(rounds.pack_update(values())), rounds.COORDINATOR, KEY.seal)
    assert np.array_equal(total.mean(), values().astype(np.float64))


OTHERS = {
    "another name": lambda: save({"gradient": values()}),
    "integers": lambda: save({"update": np.ones(P, dtype=np.int32)}),
    "half precision, twice as many": lambda: save({"update": np.ones(2 * P, dtype=np.float16)}),
    "a matrix": lambda: save({"update": values().reshape(2, -1)}),
    "two vectors": lambda: save({"update": values(), "more": np.ones(1, dtype=np.float32)}),
    "too long": lambda: rounds.pack_update(np.ones(P + 1, dtype=np.float32)),
    "too short": lambda: rounds.pack_update(np.ones(P - 1, dtype=np.float32)),
    "no header": lambda: bytes(4 * P + 100),
    "a header without end": lambda: b"\xff" * (4 * P + 100),
    "empty": lambda: b"",
    "a value at the end that is not finite": lambda: rounds.pack_update(
        np.concatenate([values()[:-1], np.array([np.nan], dtype=np.float32)])
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_refused_and_the_sum_stays_as_it_was(name):
    total = WeightedSum(P)
    with pytest.raises(InvalidInput):
        add_update(total, 1, message(OTHERS[name]()), rounds.COORDINATOR, KEY.seal)
    assert not total._total.any() and not total._weight


@pytest.mark.parametrize("place", [0, 140_000, -1], ids=["first block", "second block", "tag"])
def test_altered_bytes_are_refused_before_anything_is_added(place):
    """The cipher's own tag, without the help of the signed digest."""
    whole = message(rounds.pack_update(values()))
    altered = bytearray(whole.payload)
    altered[place] ^= 1
    total = WeightedSum(P)
    with pytest.raises((KeyRejected, InvalidInput)):
        add_update(total, 1, replace(whole, payload=memoryview(altered)), rounds.COORDINATOR, KEY.seal)
    assert not total._total.any()
