"""What the operator tells a pod: one JSON document, mounted as a file. No secret is in it.

Keys, store credentials and tokens are mounted beside it, each from its own Secret. A silo checks everything here
against its own ledger before it reads a key, so a false assignment stops a job and spends nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, Strict, ValidationError

from ringfence.errors import InvalidInput
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.names import Name, PublicKey, Url
from ringfence.spec.resource import Frozen

_Digest = Annotated[str, Strict(), Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_Count = Annotated[int, Strict(), Field(ge=0)]


class Keys(Frozen):
    """The public keys of one party in one job."""

    sign: PublicKey
    seal: Annotated[str, Strict(), Field(pattern=r"^x25519:[A-Za-z0-9_-]{43}$")]


class ManifestPin(Frozen):
    """The manifest that the job was accepted with."""

    version: _Count
    digest: _Digest


class RememberedHead(Frozen):
    """The furthest head of a ledger that the operator has seen: a shorter ledger was rolled back."""

    index: _Count
    hash: _Digest


class MemberKeys(Keys):
    """A silo as the coordinator knows it."""

    records: _Count


class ObjectRef(Frozen):
    """An object of the cluster."""

    namespace: Name
    name: Name


class _Document(Frozen):
    @classmethod
    def read(cls, path: Path) -> Self:
        """The document in `path`. Raises InvalidInput, naming the file."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InvalidInput("the assignment is missing or malformed", where=str(path)) from error

    def write(self) -> str:
        """The document as `read` reads it."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class SiloAssignment(_Document):
    """What a silo's driver is told. `heads` maps dataset ids to what its witness starts with."""

    uid: Name
    silo: Name
    job: FederatedJob
    dataset: Url
    signer: PublicKey | None = None
    manifest: ManifestPin
    code: str
    coordinator: Keys
    private: bool
    heads: dict[str, RememberedHead] = Field(default_factory=dict)


class CoordinatorAssignment(_Document):
    """What the coordinator is told. `before` maps each private silo to its ledger's reading before the job began."""

    uid: Name
    job: FederatedJob
    budgets: tuple[PrivacyBudget, ...]
    manifests: dict[str, ManifestPin]
    members: dict[str, MemberKeys]
    before: dict[str, str] = Field(default_factory=dict)
    image: str = ""
    progress: ObjectRef | None = None
