"""Signatures: one key, one context, one spelling, one content."""

from __future__ import annotations

import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence import canonical, signing
from ringfence.errors import BudgetExhausted, InvalidInput, RingfenceError, SignatureRejected

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NAME = signing.public_name(KEY)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def signed() -> dict:
    return signing.sign({"amount": 3}, KEY, "ledger")


def test_what_was_signed_verifies():
    assert signing.verify(signed(), "ledger", signer=NAME, where="x") == {"amount": 3, "key": NAME}


@pytest.mark.parametrize(
    "change", [{"amount": 4}, {"more": 1}, {"key": signing.public_name(OTHER)}, {"signature": None}]
)
def test_a_changed_document_is_refused(change):
    with pytest.raises(SignatureRejected, match=r"^bucket/x: "):
        signing.verify({**signed(), **change}, "ledger", signer=NAME, where="bucket/x")


def test_a_signature_for_one_kind_of_document_is_worth_nothing_on_another():
    with pytest.raises(SignatureRejected, match="does not match"):
        signing.verify(signed(), "manifest", signer=NAME, where="x")


def test_a_signature_has_one_spelling():
    document = signed()
    text = document["signature"]
    twin = text[:-1] + ALPHABET[ALPHABET.index(text[-1]) ^ 1]
    with pytest.raises(SignatureRejected, match="does not match"):
        signing.verify({**document, "signature": twin}, "ledger", signer=NAME, where="x")


@pytest.mark.parametrize("name", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43, "padded", "broken"])
def test_what_is_no_public_key_is_refused(name):
    name = {"padded": NAME + "=", "broken": NAME[:-1] + "\n"}.get(name, name)
    with pytest.raises(SignatureRejected, match="is not a public key of the form"):
        signing.parse_public(name)


@given(json_values)
@settings(deadline=None)
def test_canonical_bytes_have_one_reading_and_one_spelling(value):
    assert canonical.encode(canonical.decode(canonical.encode(value))) == canonical.encode(value)


@pytest.mark.parametrize(
    "data", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b"1.0", b"NaN", b"\xff", b"[" * 9999]
)
def test_bytes_that_are_not_canonical_are_refused(data):
    with pytest.raises(InvalidInput, match="canonical"):
        canonical.decode(data)


@pytest.mark.parametrize("value", [1.5, 2**53, {1: 2}, "\ud800", b"x", {"a": {3}}])
def test_values_without_canonical_bytes_are_refused(value):
    with pytest.raises(InvalidInput, match="canonical JSON"):
        canonical.encode(value)


def test_an_error_crosses_a_process_boundary_without_its_cause():
    try:
        raise BudgetExhausted("no room", where="ds-1", remedy="ask") from ValueError("a row")
    except RingfenceError as error:
        again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__cause__) == (BudgetExhausted, "ds-1: no room; ask", None)


def test_a_message_is_one_line():
    assert str(InvalidInput("a\nb", where="x\ny", remedy="c\td")) == "x y: a b; c d"
