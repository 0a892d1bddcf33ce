"""The statement as a document: built from facts, signed by the coordinator, endorsed by who admitted the job.

`statement.json` holds `{"statement": {.., "key", "signature"}, "endorsement": {"digest", "key", "signature"}}` in
canonical form. The coordinator's job key signs the content; the admitter (operator or `run`) signs the digest of what
the coordinator signed, so that neither can be exchanged without the other. Who these keys belong to is in the ledgers:
each reservation names the coordinator's key and is itself signed by the admitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter, ValidationError

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, RingfenceError, SignatureRejected
from ringfence.privacy.statement import figures
from ringfence.privacy.statement.checks import check
from ringfence.privacy.statement.facts import StatementFacts
from ringfence.privacy.statement.persons import composed

_FIXED = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "Statement", "version": 1}


@dataclass(frozen=True)
class Signers:
    """The public keys under a statement: the coordinator's job key, and the key of who admitted the job."""

    coordinator: str
    endorser: str


def build(facts: StatementFacts) -> dict[str, Any]:
    """The unsigned content. Raises InvalidInput for a float, a malformed field or facts that contradict each other."""
    # In Python's own types, so that a float reaches the encoder, which refuses it, and NaN never becomes null.
    data = canonical.encode(_adapter().dump_python(facts, by_alias=True, warnings=False))
    fields, checked = canonical.decode(data), _parsed(data)
    persons = composed([cost for _, cost in checked.private()], checked.unit)
    told = [
        {"silos": one.silos, "epsilon": figures.exact(one.epsilon), "delta": figures.exact(one.delta)}
        for one in persons
    ]
    return {**_FIXED, **fields, "composed": told}


def facts(statement: Mapping[str, Any]) -> StatementFacts:
    """The facts of a statement, signed or not; signatures are not checked. InvalidInput for any other document."""
    content = statement.get("statement", statement)
    if not isinstance(content, Mapping):
        raise InvalidInput("not a statement", where="statement")
    body = {name: value for name, value in content.items() if name not in ("key", "signature")}
    fields = {name: value for name, value in body.items() if name not in (*_FIXED, "composed")}
    found = _parsed(canonical.encode(fields))
    if build(found) != body:
        raise InvalidInput("another version, or composed figures that do not follow", where="statement")
    return found


def sign(statement: dict[str, Any], coordinator: Ed25519PrivateKey) -> dict[str, Any]:
    """The document of `statement.json` before it is endorsed: the content with the coordinator's signature."""
    return {"statement": signing.sign(statement, coordinator, "statement")}


def endorse(document: Mapping[str, Any], endorser: Ed25519PrivateKey) -> dict[str, Any]:
    """The whole document: what the coordinator signed, with the signature of who admitted the job.

    Whoever endorses has read `document["statement"]["key"]` and knows it for the coordinator's. Raises
    SignatureRejected for what is no statement.
    """
    try:
        signed = dict(document["statement"])
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureRejected("not a signed statement") from error
    return {"statement": signed, "endorsement": signing.sign({"digest": _digest(signed)}, endorser, "endorsement")}


def signers(document: Mapping[str, Any]) -> Signers:
    """The keys that a document says signed it; compare them with its ledgers, then `verify`."""
    try:
        return Signers(str(document["statement"]["key"]), str(document["endorsement"]["key"]))
    except (KeyError, TypeError) as error:
        raise SignatureRejected("not a signed statement") from error


def verify(document: Mapping[str, Any], where: str, *, known: Signers | None = None) -> dict[str, Any]:
    """The content of a signed statement, once both signatures and every figure's consistency hold.

    Without `known` this proves that nothing was altered since it was signed, by whoever holds the two keys it names;
    who that is, a reader learns from the ledgers (see `signers`). Raises SignatureRejected naming `where`.
    """
    expected = _signers(document, where) if known is None else known
    if set(document) != {"statement", "endorsement"}:
        raise SignatureRejected("not a signed statement", where=where)
    try:
        signed, endorsement = document["statement"], document["endorsement"]
        content = signing.verify(signed, "statement", signer=expected.coordinator, where=where)
        endorsed = signing.verify(endorsement, "endorsement", signer=expected.endorser, where=where)
        if endorsed != {"digest": _digest(signed), "key": expected.endorser}:
            raise SignatureRejected("the endorsement is of another statement", where=where)
        del content["key"]
        facts(content)
    except InvalidInput as error:
        raise SignatureRejected(f"signed, but malformed: {error.message}", where=where) from error
    return content


def dump(document: Mapping[str, Any]) -> bytes:
    """The bytes of `statement.json`."""
    return canonical.encode(dict(document))


def read(data: bytes, where: str, *, known: Signers | None = None) -> dict[str, Any]:
    """The verified document (with signatures) of the bytes of a `statement.json`; raises SignatureRejected."""
    try:
        document = canonical.decode(data)
    except (RingfenceError, ValueError) as error:
        raise SignatureRejected("altered: not the canonical JSON that was signed", where=where) from error
    if not isinstance(document, dict):
        raise SignatureRejected("not a signed statement", where=where)
    verify(document, where, known=known)
    return document


@cache
def _adapter() -> TypeAdapter[StatementFacts]:
    return TypeAdapter(StatementFacts)


def _parsed(data: bytes) -> StatementFacts:
    try:
        found = _adapter().validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {first['msg'].lower()}", where="statement") from error
    check(found)
    return found


def _signers(document: Mapping[str, Any], where: str) -> Signers:
    try:
        named = signers(document)
        for key in (named.coordinator, named.endorser):
            signing.parse_public(key)
        return named
    except SignatureRejected as error:
        raise SignatureRejected(error.message, where=where) from error


def _digest(signed: dict[str, Any]) -> str:
    return canonical.digest(canonical.encode(signed))
