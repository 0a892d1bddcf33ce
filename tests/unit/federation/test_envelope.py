"""The sealed message: bound to job, round, sender, kind and recipient; whatever else is put in its place is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import KeyRejected, SignatureRejected
from ringfence.federation import envelope
from ringfence.privacy.jobkeys import JobKeys

SENDER, SILO, OTHER = (JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate()) for _ in range(3))
ADDRESS = envelope.Address("model", "job-1", 3, "coordinator")
PAYLOAD = b"weights" * 50
RECIPIENTS = {"mercy": SILO.public.seal, "stjude": OTHER.public.seal}
SEALED = envelope.seal(ADDRESS, PAYLOAD, RECIPIENTS, SENDER.sign, {"model": "sha256:00"})


def opened(data: bytes, address: envelope.Address = ADDRESS, name: str = "mercy", keys: JobKeys = SILO) -> bytes:
    return envelope.read(data, address, signer=SENDER.public.sign, where="bucket/x").open(name, keys.seal)


def test_each_recipient_opens_the_message_and_nobody_reads_it_in_the_bucket():
    assert opened(SEALED) == PAYLOAD == opened(SEALED, name="stjude", keys=OTHER)
    assert b"weights" not in SEALED


@pytest.mark.parametrize("change", [{"kind": "update"}, {"job": "job-2"}, {"round": 4}, {"sender": "mercy"}])
def test_a_message_of_another_place_is_refused(change):
    with pytest.raises(SignatureRejected, match="bucket/x: a message for another place"):
        opened(SEALED, replace(ADDRESS, **change))


@pytest.mark.parametrize("name", ["stjude", "nobody"])
def test_a_silo_cannot_open_what_was_sealed_to_another(name):
    with pytest.raises(KeyRejected, match=f"bucket/x: not sealed to {name}'s key"):
        opened(SEALED, name=name)


def test_a_message_of_another_signer_is_refused():
    forged = envelope.seal(ADDRESS, PAYLOAD, RECIPIENTS, OTHER.sign)
    with pytest.raises(SignatureRejected, match="signed by"):
        opened(forged)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=300)
def test_no_altered_byte_opens(place, flip):
    altered = bytearray(SEALED)
    altered[place] ^= flip
    with pytest.raises((SignatureRejected, KeyRejected)):
        opened(bytes(altered))


@given(st.integers(0, len(SEALED) - 1))
@settings(deadline=None, max_examples=60)
def test_no_truncated_message_opens(length):
    with pytest.raises(SignatureRejected):
        opened(SEALED[:length])


def test_two_seals_of_one_payload_share_no_ciphertext():
    again = envelope.seal(ADDRESS, PAYLOAD, RECIPIENTS, SENDER.sign, {"model": "sha256:00"})
    assert again[-100:] != SEALED[-100:]
