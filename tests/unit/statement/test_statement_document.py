"""A statement says exactly what was, cannot be altered, and cannot be endorsed twice over."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parent))

from statement_samples import (
    COORDINATOR,
    ENDORSER,
    digest,
    ledger,
    privacy,
    public_only,
    sample,
    signed,
    silo,
)

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, SignatureRejected
from ringfence.privacy.statement import (
    CostFacts,
    RoundFacts,
    Signers,
    build,
    dump,
    endorse,
    facts,
    read,
    sign,
    signers,
    verify,
)

MALLORY = Ed25519PrivateKey.from_private_bytes(b"m" * 32)


def test_facts_survive_the_document() -> None:
    assert facts(build(sample())) == sample()
    assert facts(signed()) == sample()
    assert verify(signed(), "here") == build(sample())
    assert read(dump(signed()), "here") == signed()


def test_the_document_holds_no_float_anywhere() -> None:
    def floats(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in floats(item)]
        if isinstance(value, list):
            return [found for item in value for found in floats(item)]
        return [value] if isinstance(value, float) else []

    assert floats(json.loads(dump(signed()))) == []


@pytest.mark.parametrize("number", [0.5, 2.0, float("nan"), float("inf")])
def test_floats_are_refused_wherever_they_stand(number: float) -> None:
    with pytest.raises(InvalidInput, match="canonical JSON cannot hold a float"):
        build(sample(metrics={"auc": number}))
    with pytest.raises(InvalidInput, match="canonical JSON cannot hold a float"):
        build(sample(silos=(silo("mercy", privacy=privacy(job_epsilon=number)),), rounds=()))
    with pytest.raises(InvalidInput, match="canonical JSON cannot hold a float"):
        build(sample(silos=(silo("mercy", records=number),), rounds=()))
    with pytest.raises(InvalidInput, match="canonical JSON cannot hold a float"):
        build(sample(silos=(silo("mercy", privacy=number),), rounds=()))


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e999", "", "1,5", "0x1", " 1", "1\n", "9" * 50])
def test_a_decimal_that_is_none_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"statement: silos\.0\.privacy\.jobEpsilon"):
        build(sample(silos=(silo("mercy", privacy=privacy(job_epsilon=text)),), rounds=()))


def test_every_altered_byte_is_refused() -> None:
    data = dump(signed(public_only()))
    for place in range(len(data)):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(SignatureRejected, match=r"^statement\.json: "):
            read(altered, "statement.json")


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    document = signed()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = document["endorsement"]["signature"][-1]
    twin = alphabet[alphabet.index(last) ^ 1]
    document["endorsement"]["signature"] = document["endorsement"]["signature"][:-1] + twin
    with pytest.raises(SignatureRejected, match="the signature does not match the content"):
        verify(document, "here")


def test_an_endorsement_of_another_statement_is_refused() -> None:
    document = {"statement": signed()["statement"], "endorsement": signed(public_only())["endorsement"]}
    with pytest.raises(SignatureRejected, match="here: the endorsement is of another statement"):
        verify(document, "here")


def test_a_signature_for_another_kind_of_document_is_refused() -> None:
    body = build(sample())
    document = endorse(sign(body, COORDINATOR), ENDORSER)
    document["statement"] = signing.sign(body, COORDINATOR, "ledger")
    with pytest.raises(SignatureRejected, match="does not match the content"):
        verify(document, "here")


@pytest.mark.parametrize("document", [{}, {"statement": None}, {"statement": 3}])
def test_only_a_signed_statement_is_endorsed(document: dict) -> None:
    with pytest.raises(SignatureRejected, match="not a signed statement"):
        endorse(document, ENDORSER)


def test_a_statement_that_waits_for_its_endorsement_does_not_verify() -> None:
    with pytest.raises(SignatureRejected, match="not a signed statement"):
        verify(sign(build(sample()), COORDINATOR), "here")


def test_known_signers_are_held_to() -> None:
    known = signers(signed())
    assert known == Signers(signing.public_name(COORDINATOR), signing.public_name(ENDORSER))
    assert verify(signed(), "here", known=known) == build(sample())
    body = build(sample())
    for forged in (endorse(sign(body, MALLORY), ENDORSER), endorse(sign(body, COORDINATOR), MALLORY)):
        assert verify(forged, "here")  # consistent in itself
        with pytest.raises(SignatureRejected, match=r"here: signed by ed25519:.*, not by ed25519:"):
            verify(forged, "here", known=known)


@pytest.mark.parametrize("document", [{}, {"statement": {}}, {"statement": [], "endorsement": 3}, {"a": 1}])
def test_what_is_no_statement_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(SignatureRejected, match="here: not a signed statement"):
        verify(document, "here")


def test_more_fields_than_two_signatures_cover_are_refused() -> None:
    with pytest.raises(SignatureRejected, match="not a signed statement"):
        verify({**signed(), "note": "trust me"}, "here")


def test_a_signed_lie_about_sums_is_refused() -> None:
    body = build(sample())
    body["composed"][0]["epsilon"] = "1"
    with pytest.raises(SignatureRejected, match=r"signed, but malformed: .*composed figures"):
        verify(endorse(sign(body, COORDINATOR), ENDORSER), "here")
    body = {**build(sample()), "extra": "field"}
    with pytest.raises(SignatureRejected, match="signed, but malformed: extra: "):
        verify(endorse(sign(body, COORDINATOR), ENDORSER), "here")


def test_composed_figures_are_told_for_each_number_of_silos() -> None:
    told = build(sample())["composed"]
    assert told == [{"silos": 2, "epsilon": "1.648029", "delta": "0.000002"}]
    assert build(public_only())["composed"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": CostFacts(orders=("2",), round=(5,), total=(99,))}, "silo 'mercy': the total cost is not"),
        ({"cost": CostFacts(orders=("2", "3"), round=(5,), total=(100,))}, "one cost of at least 0 for each"),
        ({"cost": CostFacts(orders=("2",), round=(-5,), total=(-100,))}, "one cost of at least 0 for each"),
        ({"rounds_charged": 21}, "charged 21 rounds of 20 planned"),
        ({"sampling_rate": "3/2"}, r"sampling rate 3/2 is not in \(0, 1\]"),
        ({"job_delta": "1"}, "a delta must lie between 0 and 1"),
        ({"ledger": ledger(highest_epsilon="4")}, "highest limit ever set is below the limit"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build(sample(silos=(silo("mercy", privacy=privacy(**changes)),), rounds=()))


def test_rounds_must_be_this_jobs() -> None:
    stranger = RoundFacts(round=1, members=("mallory",), model=digest("e"))
    with pytest.raises(InvalidInput, match="round 1 has members that are not silos"):
        build(sample(rounds=(stranger,)))
    first = replace(stranger, members=("mercy",))
    with pytest.raises(InvalidInput, match="once each, in order"):
        build(sample(rounds=(first, first)))
    with pytest.raises(InvalidInput, match="silos of different names"):
        build(sample(silos=(silo("mercy"), silo("mercy")), rounds=()))


def test_text_that_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="lone surrogate"):
        build(sample(job=replace(sample().job, name="\ud800")))


def test_the_statements_bytes_are_canonical() -> None:
    data = dump(signed())
    assert canonical.encode(json.loads(data)) == data
    with pytest.raises(SignatureRejected, match="altered: not the canonical JSON"):
        read(data + b"\n", "here")


def test_a_number_written_as_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"silos\.0\.records: input should be a valid integer"):
        build(sample(silos=(silo("mercy", records="9100"),), rounds=()))
