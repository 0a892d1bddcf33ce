"""Any change to a sealed object, however small, and it does not open; unchanged it gives back what was sealed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import ShardUnavailable
from ringfence.shards.binding import associated, shard_binding
from ringfence.shards.container import SEGMENT, open_bytes, seal_bytes

DEK, AAD = b"D" * 32, shard_binding("ds-1", "sh-1", "sha256:0", 1, 0)
SEALED_UNIT, BODY = SEGMENT + 16, 72
LONG = bytes(range(256)) * (3 * SEGMENT // 256) + b"the end"
SEALED = seal_bytes(LONG, dek=DEK, aad=AAD)

FIELDS = st.text("a\x00\x01é", max_size=3)  # few letters, so that lists come near to each other

lengths = st.one_of(
    st.integers(0, 300),
    st.sampled_from([n * SEGMENT + more for n in (1, 2, 3) for more in (-1, 0, 1)]),
)


def refused(sealed: bytes, dek: bytes = DEK, aad: bytes = AAD) -> None:
    with pytest.raises(ShardUnavailable) as refusal:
        open_bytes(sealed, dek=dek, aad=aad, where="s3://mercy/shards/x")
    assert refusal.value.where == "s3://mercy/shards/x"


@settings(deadline=None, max_examples=60)
@given(lengths, st.binary(min_size=1, max_size=16), st.binary(min_size=32, max_size=32), st.binary(max_size=40))
def test_whatever_is_sealed_opens_to_itself(length, pattern, dek, aad):
    plain = (pattern * (length // len(pattern) + 1))[:length]
    assert bytes(open_bytes(seal_bytes(plain, dek=dek, aad=aad), dek=dek, aad=aad, where="")) == plain


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.integers(0, 200), st.integers(0, len(SEALED) - 1)), st.integers(1, 255))
def test_no_changed_byte_opens(position, change):
    sealed = bytearray(SEALED)
    sealed[position] ^= change
    refused(sealed)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.integers(0, len(SEALED) - 1), st.builds(lambda n, off: BODY + n * SEALED_UNIT + off,
                                                            st.integers(0, 2), st.integers(-20, 20))))  # fmt: skip
def test_no_truncation_opens(end):
    refused(SEALED[:end])


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=1, max_size=2 * SEALED_UNIT))
def test_nothing_can_be_added(tail):
    refused(SEALED + tail)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=6))
def test_no_other_sequence_of_segments_opens(order):
    segments = [SEALED[BODY + n * SEALED_UNIT :][:SEALED_UNIT] for n in range(4)]
    if order != [0, 1, 2, 3]:
        refused(SEALED[:BODY] + b"".join(segments[n] for n in order))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), st.integers(0, 2), st.integers(0, 2))
def test_no_segment_of_another_object_fits(which, mine, theirs):
    """Same key, same bindings, same place: the salt alone tells them apart."""
    other = seal_bytes(LONG, dek=DEK, aad=AAD)
    start, source = BODY + mine * SEALED_UNIT, BODY + theirs * SEALED_UNIT
    length = min(which * SEALED_UNIT, len(SEALED) - max(start, source))
    refused(SEALED[:start] + other[source : source + length] + SEALED[start + length :])


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400))
def test_noise_never_opens(noise):
    refused(noise)
    refused(b"RFSHARD\x01" + noise)


@settings(deadline=None, max_examples=100)
@given(st.lists(FIELDS, max_size=4), st.lists(FIELDS, max_size=4))
def test_bindings_are_equal_only_for_equal_fields(one, other):
    assert (associated(*one) == associated(*other)) == (one == other)
