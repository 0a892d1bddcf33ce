"""Every kind of entry that this release reads. An entry of another kind closes the ledger for spending."""

from __future__ import annotations

from ringfence.privacy.ledger.entries import Charge, Close, Limit, Noop, Open, Owner, Reserve, Shards, Writer
from ringfence.privacy.ledger.erasure import Erase
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.states import Snapshot

KINDS: dict[str, type[Body]] = {
    body.kind: body for body in (Open, Limit, Writer, Owner, Shards, Reserve, Charge, Close, Erase, Snapshot, Noop)
}
