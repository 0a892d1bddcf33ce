"""Creating an object that is written once, on stores that refuse more than they should.

A store may answer a create with a conflict although nobody's object landed, and the client library reports that as if
the name were taken. Whoever believes it throws away the only copy: a silo its staged update, a coordinator its model.
"""

from __future__ import annotations

import time

from ringfence.errors import StoreError
from ringfence.store.interface import Store

_TRIES = 8
_PAUSE = 0.02  # seconds before the second try, doubled for each further one: about 2.5 s in all


def create(store: Store, key: str, data: bytes) -> bool:
    """Creates `key`; False when another object is there. Either way something stands at `key` when this returns.

    Raises StoreError when the store keeps refusing and `key` stays absent, and as `put_if_absent` does.
    """
    for attempt in range(_TRIES):
        if store.put_if_absent(key, data):
            return True
        if store.exists(key):
            return False
        time.sleep(_PAUSE * 2**attempt)
    raise StoreError(
        "the store refuses to create this object, and there is none",
        where=f"{store.url}/{key}",
        remedy="try again when the store is less busy",
    )
