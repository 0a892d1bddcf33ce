"""The container opens to what was sealed, and to nothing else."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.errors import InvalidInput, ShardUnavailable
from ringfence.shards import container
from ringfence.shards.binding import associated, shard_binding
from ringfence.shards.container import SEGMENT, open_bytes, seal_bytes

DEK = bytes(range(32))
AAD = shard_binding("ds-1", "sh-1", "sha256:0", 1, 0)
HEADER, COMMITMENT, TAG = 40, 32, 16
BODY = HEADER + COMMITMENT
WHERE = "s3://mercy/data/shards/sh-1"


def opened(sealed, dek=DEK, aad=AAD):
    return bytes(open_bytes(sealed, dek=dek, aad=aad, where=WHERE))


def refused(sealed, message, **changed):
    with pytest.raises(ShardUnavailable) as refusal:
        opened(sealed, **changed)
    assert str(refusal.value) == f"{WHERE}: {message}"


def altered(count, number):
    return f"segment {number} of {count} is altered, moved, truncated or belongs to another object"


def plaintext(length):
    return (bytes(range(251)) * (length // 251 + 1))[:length]


@pytest.mark.parametrize("length", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 1])
def test_every_length_round_trips_in_its_one_size(length):
    sealed = seal_bytes(plaintext(length), dek=DEK, aad=AAD)
    assert len(sealed) == BODY + length + TAG * max(1, -(-length // SEGMENT))
    assert opened(sealed) == plaintext(length)
    assert opened(memoryview(bytearray(sealed))) == plaintext(length)


@pytest.mark.parametrize("length", [0, 5, SEGMENT, SEGMENT + 1])
def test_encoding_again_gives_the_same_bytes(length):
    sealed = seal_bytes(plaintext(length), dek=DEK, aad=AAD)
    assert container._seal(opened(sealed), DEK, AAD, sealed[8:HEADER]) == sealed


def test_no_two_objects_share_a_salt_and_the_caller_chooses_none():
    assert len({seal_bytes(b"same", dek=DEK, aad=AAD)[8:HEADER] for _ in range(50)}) == 50
    with pytest.raises(TypeError):
        seal_bytes(b"same", dek=DEK, aad=AAD, salt=bytes(32))


def test_no_nonce_repeats_within_an_object():
    assert [container._nonce(number, number == 2).hex() for number in range(3)] == [
        "00000000000000" + "00000000" + "00",
        "00000000000000" + "00000001" + "00",
        "00000000000000" + "00000002" + "01",
    ]


def test_every_bit_of_the_header_counts():
    sealed = bytearray(seal_bytes(b"content", dek=DEK, aad=AAD))
    for position in range(BODY):
        for bit in (1, 128):
            sealed[position] ^= bit
            with pytest.raises(ShardUnavailable):
                opened(sealed)
            sealed[position] ^= bit
    assert opened(sealed) == b"content"


def test_another_key_is_refused_before_any_segment_is_opened(monkeypatch):
    sealed = seal_bytes(b"content", dek=DEK, aad=AAD)
    monkeypatch.setattr(container, "AESGCM", None)  # opening a segment would be a TypeError
    refused(sealed, "its header was altered, or it was sealed under another key", dek=bytes(32))


def test_a_false_commitment_is_refused_though_every_segment_would_verify():
    sealed = bytearray(seal_bytes(b"content", dek=DEK, aad=AAD))
    sealed[HEADER] ^= 1
    refused(sealed, "its header was altered, or it was sealed under another key")


@pytest.mark.parametrize(
    "changed",
    [
        ("ds-2", "sh-1", "sha256:0", 1, 0),
        ("ds-1", "sh-2", "sha256:0", 1, 0),
        ("ds-1", "sh-1", "sha256:1", 1, 0),
        ("ds-1", "sh-1", "sha256:0", 2, 0),
        ("ds-1", "sh-1", "sha256:0", 1, 1),
    ],
)
def test_an_object_moved_to_another_dataset_shard_schema_version_or_position_does_not_open(changed):
    refused(seal_bytes(b"content", dek=DEK, aad=AAD), altered(1, 1), aad=shard_binding(*changed))


def test_bindings_cannot_be_shifted_between_fields():
    assert associated("ab", "c") != associated("a", "bc") != associated("abc")
    assert associated("a") == b"\x00\x00\x00\x00\x00\x00\x00\x01a"


def test_segments_cannot_be_reordered_repeated_or_dropped():
    whole = SEGMENT + TAG
    sealed = seal_bytes(plaintext(3 * SEGMENT), dek=DEK, aad=AAD)
    head, one, two, three = sealed[:BODY], *(sealed[BODY + n * whole :][:whole] for n in range(3))
    refused(head + two + one + three, altered(3, 1))
    refused(head + one + one + three, altered(3, 2))
    refused(head + one + three, altered(2, 2))
    refused(head + one + two, altered(2, 2))
    refused(head + one + two + three + three, altered(4, 3))


@pytest.mark.parametrize("length", [0, SEGMENT, SEGMENT + 1])
def test_an_object_cut_anywhere_does_not_open(length):
    sealed = seal_bytes(plaintext(length), dek=DEK, aad=AAD)
    for cut in {0, 1, 7, 8, HEADER - 1, HEADER, BODY - 1, BODY, BODY + TAG - 1, len(sealed) - TAG, len(sealed) - 1}:
        if cut < len(sealed):
            with pytest.raises(ShardUnavailable):
                opened(sealed[:cut])
    with pytest.raises(ShardUnavailable):
        opened(sealed + b"\x00")


def test_a_second_encoding_of_the_same_bytes_does_not_open():
    """A full segment followed by an empty last one, made with the right key."""
    salt = bytes(32)
    key, commitment = container._derive(DEK, b"RFSHARD\x01" + salt)
    full, empty = container._nonce(0, False), container._nonce(1, True)
    cipher = AESGCM(key)
    body = cipher.encrypt(full, plaintext(SEGMENT), AAD) + cipher.encrypt(empty, b"", AAD)
    refused(b"RFSHARD\x01" + salt + commitment + body, "truncated inside a segment")


def test_what_is_no_sealed_object_is_named_so():
    refused(b"PAR1" + bytes(200), "not a sealed object")
    refused(b"", "truncated inside the header")
    newer = bytearray(seal_bytes(b"", dek=DEK, aad=AAD))
    newer[7] = 2
    refused(
        newer,
        "container version 2, this release opens version 1; open it with a newer release, or restore the object",
    )


def test_nothing_is_released_when_a_later_segment_is_bad(monkeypatch):
    sealed = bytearray(seal_bytes(b"\xaa" * (2 * SEGMENT), dek=DEK, aad=AAD))
    sealed[-1] ^= 1
    buffers = []

    class Kept(bytearray):
        def __init__(self, size):
            super().__init__(size)
            buffers.append(self)

    monkeypatch.setattr(container, "bytearray", Kept, raising=False)
    refused(sealed, altered(2, 2))
    assert len(buffers) == 1 and not any(buffers[0])


def test_a_key_of_another_length_is_refused():
    with pytest.raises(InvalidInput, match="a sealing key has 32 bytes, this one 16"):
        seal_bytes(b"", dek=bytes(16), aad=b"")
