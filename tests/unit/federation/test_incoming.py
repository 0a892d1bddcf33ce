"""Updates on their way into the sum: nothing that is not one whole, authentic vector of the right kind is added."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from ringfence.errors import InvalidInput, KeyRejected
from ringfence.federation import envelope, rounds
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.incoming import add_update
from ringfence.privacy.jobkeys import JobKeys

KEY = JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
ADDRESS = envelope.Address("update", "job-1", 1, "a")
P = 140_000  # more than one block of the cipher


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


@pytest.mark.parametrize("place", [0, 540_000, -1], ids=["first block", "second block", "tag"])
def test_altered_bytes_are_refused_before_anything_is_added(place):
    """The cipher's own tag, without the help of the signed digest."""
    whole = message(rounds.pack_update(values()))
    altered = bytearray(whole.sealed.getvalue())
    altered[place if place < 0 else whole.start + place] ^= 1
    total = WeightedSum(P)
    with pytest.raises((KeyRejected, InvalidInput)):
        add_update(total, 1, replace(whole, sealed=BytesIO(altered)), rounds.COORDINATOR, KEY.seal)
    assert not total._total.any()


def test_a_file_that_ends_early_is_refused_before_anything_is_added():
    whole = message(rounds.pack_update(values()))
    cut = BytesIO(whole.sealed.getvalue()[:-100])
    total = WeightedSum(P)
    with pytest.raises(KeyRejected, match="the update: not sealed to coordinator's key for this job"):
        add_update(total, 1, replace(whole, sealed=cut), rounds.COORDINATOR, KEY.seal)
    assert not total._total.any()


@given(weight=st.integers(1, 2**29 - 1), count=st.integers(1, 3000), at=st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_each_term_of_the_sum_is_its_exact_product(weight, count, at):
    """float32 times a weight below 2**29 has at most 53 bits, so only the addition rounds: as if in two steps."""
    update = (values()[:count] * 10.0 ** (weight % 20 - 10)).astype(np.float32)
    total = WeightedSum(at + count)
    expected = np.zeros(at + count)
    for number in (weight, weight + 1, 7):
        total.add(number, update, at)
        expected[at:] += update.astype(np.float64) * number
    assert np.array_equal(total._total, expected)
