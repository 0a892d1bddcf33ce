"""What the signed documents of this room have in common: strict fields, unknown ones refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Public = Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9_-]{43}$")]


class Strict(BaseModel):
    """Immutable, no conversion between types, no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
