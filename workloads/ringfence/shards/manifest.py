"""A dataset's manifest: the signed, clear listing of what its owner declares.

It holds the declared schema, declared counts, the unit, the terms, the shards with their wrapped keys, and the pinned
ledger; it holds nothing that was computed from rows beyond the counts, which the owner declares by signing. One object
a version, `manifest/<version>`, each created only if absent; the highest version is current and names the digest of the
one before it. A field at its default is not written, so that a manifest without it stays what it was.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError, field_serializer, model_validator

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, ManifestUnavailable, ObjectNotFound
from ringfence.schema import DatasetSchema
from ringfence.shards.handover import Handover, check_handovers
from ringfence.shards.splitting import Split
from ringfence.shards.strict import Digest, Public, Strict
from ringfence.shards.terms import Terms
from ringfence.store.interface import Store

FORMAT_VERSION = 1
FOLDER = "manifest"

_CONTEXT = "manifest"
_NAME = re.compile(r"[1-9][0-9]{0,8}")

Count = Annotated[int, Field(ge=0, lt=2**53)]
Version = Annotated[int, Field(ge=1, lt=10**9)]
_UNWRITTEN: dict[str, Any] = {
    "terms": None,
    "handovers": [],
    "split": None,
}  # fields that are left out at their default


class ShardInfo(Strict):
    """One shard: its stable random id, its records, its sealed object, and its key.

    `size` and `digest` are those of the sealed object in bytes. `sealed_version` and `position` are the manifest
    version and the place at which it was sealed. A sealed shard has `kek` and `wrapped_dek`, a public one `dek`. Jobs
    train on the shards of part `training`; those of part `validation` are kept for scores.
    """

    id: Annotated[str, Field(pattern=r"^sh-[0-9a-f]{32}$")]
    records: Annotated[int, Field(ge=1, lt=2**53)]
    size: Count
    digest: Digest
    sealed_version: Version
    position: Count
    kek: Annotated[str, Field(pattern=r"^kek:[0-9a-f]{16}$")] | None
    wrapped_dek: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{80}$")] | None
    dek: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    part: Literal["training", "validation"] = "training"

    @property
    def key(self) -> str:
        """The object's key in the store."""
        return f"shards/{self.id}"


class LedgerPin(Strict):
    """Where the ledger lies, and the hash of its entry 0: without that entry the dataset is closed."""

    url: Annotated[str, Field(min_length=1, max_length=900)]
    entry0: Digest


class Manifest(Strict):
    """One version of a dataset, as its owner signed it.

    `records` counts training records and `units` the persons (values of the unit column) or records behind them, after
    cleaning. `ledger` is None exactly for a public dataset: its owner's word that no person's privacy is at stake.
    `handovers` lead from the first owner's key to `owner`, each signed by the key before it.
    `split` says which records are kept for scores.
    """

    format_version: Literal[1]
    dataset: Annotated[str, Field(pattern=r"^ds-[0-9a-f]{32}$")]
    version: Version
    unit: Annotated[str, Field(pattern=r"^(Record|User:.{1,128}|Silo)$")]
    public: bool
    owner: Public
    schema_: DatasetSchema = Field(alias="schema")
    records: Count
    units: Count
    shards: Annotated[tuple[ShardInfo, ...], Field(min_length=1)]
    ledger: LedgerPin | None
    quality_digest: Digest | None
    previous: Digest | None
    terms: Terms | None = None
    handovers: Annotated[tuple[Handover, ...], Field(max_length=100)] = ()
    split: Split | None = None

    @field_serializer("schema_")
    def _schema_document(self, schema: DatasetSchema) -> dict[str, Any]:
        return schema.document()

    def document(self) -> dict[str, Any]:
        """The manifest as plain JSON values, unsigned."""
        full = self.model_dump(mode="json", by_alias=True)
        for shard in full["shards"]:
            if shard["part"] == "training":
                del shard["part"]
        return {name: value for name, value in full.items() if name not in _UNWRITTEN or value != _UNWRITTEN[name]}

    def digest(self) -> str:
        """`sha256:<hex>` of the canonical bytes of the unsigned manifest: what reservations and successors name."""
        return canonical.digest(canonical.encode(self.document()))

    @property
    def key(self) -> str:
        """The object's key in the store."""
        return f"{FOLDER}/{self.version}"

    @property
    def training(self) -> tuple[ShardInfo, ...]:
        """The shards that jobs train on."""
        return tuple(shard for shard in self.shards if shard.part == "training")

    @property
    def validation(self) -> tuple[ShardInfo, ...]:
        """The shards that are kept for scores."""
        return tuple(shard for shard in self.shards if shard.part == "validation")

    @property
    def validation_records(self) -> int:
        """Records kept for scores."""
        return sum(shard.records for shard in self.validation)

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        if (self.ledger is None) != self.public:
            raise ValueError("a ledger is pinned exactly when the dataset is not public")
        if (self.previous is None) != (self.version == 1):
            raise ValueError("previous is named exactly from version 2 on")
        if self.records != sum(shard.records for shard in self.training):
            raise ValueError("records is not the sum over the shards")
        if not self.training:
            raise ValueError("no shard to train on is listed")
        if len({shard.id for shard in self.shards}) != len(self.shards):
            raise ValueError("a shard is listed twice")
        for shard in self.shards:
            if shard.sealed_version > self.version:
                raise ValueError("a shard was sealed in a later version")
            if self.public != (shard.dek is not None) or self.public == (shard.kek is not None):
                raise ValueError("a shard's key is wrapped exactly when the dataset is not public")
            if (shard.kek is None) != (shard.wrapped_dek is None):
                raise ValueError("a wrapped key names the key that wraps it")
        return self


def encode_manifest(manifest: Manifest, signer: Ed25519PrivateKey) -> bytes:
    """The signed canonical bytes. Raises InvalidInput when `signer` is not the owner that the manifest names."""
    if manifest.owner != signing.public_name(signer):
        raise InvalidInput("a manifest is signed by the owner it names")
    return canonical.encode(signing.sign(manifest.document(), signer, _CONTEXT))


def decode_manifest(data: bytes, *, signer: str | None, where: str) -> Manifest:
    """The manifest in `data`, its signature verified.

    `signer` is the pinned key: the owner's, or one that handed over to it. With None the manifest is only known to be
    signed by the owner that it names itself. Raises SignatureRejected when it is not signed or not by that owner,
    ManifestUnavailable when it is not a manifest.
    """
    try:
        document = canonical.decode(data)
    except InvalidInput as error:
        raise ManifestUnavailable(f"altered: {error.message}", where=where) from error
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        raise ManifestUnavailable(f"not a manifest of format version {FORMAT_VERSION}", where=where)
    expected = _signer(document, signer, where)
    named = signing.verify(document, _CONTEXT, signer=expected, where=where)
    key = named.pop("key")
    try:
        manifest = Manifest.model_validate_json(canonical.encode(named))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        reason = (f"{place}: " if place else "") + fault["msg"].removeprefix("Value error, ")
        raise ManifestUnavailable(f"malformed: {reason[:300]}", where=where) from None
    if manifest.owner != key:
        raise ManifestUnavailable("signed by another key than its owner's", where=where)
    if manifest.document() != named:
        raise ManifestUnavailable("malformed: a value is not written in its one form", where=where)
    return manifest


def _signer(document: dict[str, Any], pinned: str | None, where: str) -> str:
    """Whose signature is asked for: the pinned key's, or its successor's where the manifest shows a handover by it."""
    owner, handovers = str(document.get("owner")), document.get("handovers")
    if pinned is None or pinned == owner or not handovers:
        return pinned or owner
    return check_handovers(handovers, str(document.get("dataset")), pinned, where)


def current_version(store: Store) -> int:
    """The highest version in the store, 0 when there is none. Raises StoreError."""
    names = (info.key.removeprefix(f"{FOLDER}/") for info in store.list(FOLDER))
    return max((int(name) for name in names if _NAME.fullmatch(name)), default=0)


def read_manifest(store: Store, *, signer: str | None, seen: int = 0, where: str = "") -> Manifest:
    """The current manifest of the dataset in `store`, signed by `signer` (None: by whichever owner it names).

    `seen` is the highest version that the caller knows of, `where` what messages call the dataset (by default its URL).
    Raises ManifestUnavailable for none, an altered one, or one older than `seen`, and SignatureRejected.
    """
    url = where or store.url
    version = current_version(store)
    if version < seen:
        found = f"version {version} is the highest" if version else "no manifest is left"
        raise ManifestUnavailable(
            f"older than seen before: {found}, version {seen} was seen",
            where=f"{url}/{FOLDER}",
            remedy="restore the newer manifest",
        )
    if version == 0:
        remedy = "check the URL, or seal the dataset first"
        raise ManifestUnavailable("no dataset here: there is no manifest", where=url, remedy=remedy)
    return read_manifest_version(store, version, signer=signer, where=url)


def read_manifest_version(store: Store, version: int, *, signer: str | None, where: str = "") -> Manifest:
    """Version `version` of the manifest. Raises ManifestUnavailable when missing, altered or another version's."""
    name = f"{where or store.url}/{FOLDER}/{version}"
    try:
        data = store.get(f"{FOLDER}/{version}")
    except ObjectNotFound as error:
        raise ManifestUnavailable("this version of the manifest is missing", where=name) from error
    manifest = decode_manifest(data, signer=signer, where=name)
    if manifest.version != version:
        raise ManifestUnavailable(f"another version put in its place: it says version {manifest.version}", where=name)
    return manifest
