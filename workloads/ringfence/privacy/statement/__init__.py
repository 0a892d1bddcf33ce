"""The statement: the signed, machine-readable and printable account of what a model cost and what that means."""

from ringfence.privacy.statement.document import Signers, build, dump, endorse, facts, read, sign, signers, verify
from ringfence.privacy.statement.facts import (
    ADJACENCY,
    CostFacts,
    JobFacts,
    LedgerFacts,
    PrivacyFacts,
    RoundFacts,
    SiloFacts,
    StatementFacts,
)
from ringfence.privacy.statement.plain import Section, words

__all__ = [
    "ADJACENCY",
    "CostFacts",
    "JobFacts",
    "LedgerFacts",
    "PrivacyFacts",
    "RoundFacts",
    "Section",
    "Signers",
    "SiloFacts",
    "StatementFacts",
    "build",
    "dump",
    "endorse",
    "facts",
    "read",
    "sign",
    "signers",
    "verify",
    "words",
]
