"""Does a store really refuse to create an object twice? A ledger stands or falls with that, so it is tried.

Some gateways accept the condition and ignore it, so the answer alone proves nothing: the second create must be
refused *and* the first one's bytes must be there.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from ringfence.errors import ConditionalWritesUnsupported, ObjectNotFound, StoreError
from ringfence.store.interface import Store

_PROBED: set[str] = set()
_ATTEMPTS = 3  # a store under load may answer 409 although nothing landed


def require_conditional_writes(store: Store) -> None:
    """Raises ConditionalWritesUnsupported unless `store` keeps put-if-absent; tried once per root and process.

    Leaves nothing behind, unless the credentials may not delete.
    """
    root = repr(store)
    if root in _PROBED:
        return
    key = f"probe/{secrets.token_hex(16)}"
    try:
        _probe(store, key)
    finally:
        with suppress(StoreError):
            store.delete(key)
    _PROBED.add(root)


def _probe(store: Store, key: str) -> None:
    try:
        landed = any(store.put_if_absent(key, b"first") or store.exists(key) for _ in range(_ATTEMPTS))
        overwritten = store.put_if_absent(key, b"second")
        kept = store.get(key)
    except ObjectNotFound as error:
        raise StoreError("an object just written is not there", where=f"{store.url}/{key}") from error
    if not landed or overwritten or kept != b"first":
        raise ConditionalWritesUnsupported(
            "the store creates an object that is there already",
            where=store.url,
            remedy="keep ledgers on a local folder, or on S3 or MinIO with conditional writes",
        )
