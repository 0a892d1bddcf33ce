"""Acceptance of a job: everything that can be refused before anything is reserved, and the job's code put beside it."""

from __future__ import annotations

from ringfence.acceptance.accept import accept
from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.acceptance.code import resolve_code
from ringfence.acceptance.refusing import tell_refusals
from ringfence.errors import CodeNotApproved, InvalidInput, TermsRefused
from ringfence.privacy.ledger.view import LedgerView
from ringfence.privacy.statement.figures import exact
from ringfence.spec.load import Manifests
from ringfence_operator.ledgers.house import Asked, House
from ringfence_operator.seen import Accepted, Party, Pinned


def acceptance(house: House, asked: Asked) -> Acceptance:
    """The job accepted, with its ledgers verified. Raises what `ringfence.acceptance.accept.accept` raises; a refusal
    by an owner's terms or list of code is told to the dataset's audit log."""
    manifests = Manifests((asked.job,), tuple(asked.budgets.values()), "the cluster")
    code = resolve_code(asked.job, house.stores)
    try:
        return accept(manifests, house.stores, house.memory, code, asked.pins or None)
    except (TermsRefused, CodeNotApproved):
        tell_refusals(manifests, house.stores, code.digest, lambda one: house.writer, asked.uid)
        raise


def accepted(house: House, asked: Asked) -> Accepted:
    """What the job's pods are to be told. Copies the code to `<output>/<uid>/code/<digest>.zip`, once."""
    found = acceptance(house, asked)
    if found.code.data is not None:
        name = f"code/{found.code.digest.removeprefix('sha256:')}.zip"
        store = house.stores.open(f"{asked.job.spec.output}/{asked.uid}")
        if not store.put_if_absent(name, found.code.data) and store.get(name) != found.code.data:
            raise InvalidInput("other bytes lie where the job's code belongs", where=f"{store.url}/{name}")
    silos = {one.silo: _pinned(one) for one in found.participants}
    keys = {name: _party(house, asked.uid, name) for name in silos}
    return Accepted(found.code.digest, silos, keys, _party(house, asked.uid, ""))


def _party(house: House, uid: str, silo: str) -> Party:
    public = house.keys(uid, silo).public
    return Party(public.sign, public.seal)


def _pinned(one: Participant) -> Pinned:
    plain = Pinned(one.url, one.manifest.version, one.manifest.digest(), one.manifest.records)
    if one.ledger is None or one.plan is None or one.ledger.view.limit is None:
        return plain
    view: LedgerView = one.ledger.view
    return Pinned(
        plain.dataset,
        plain.version,
        plain.digest,
        plain.records,
        ledger=one.ledger.store.url,
        before=exact(view.spent_epsilon()),
        head=(view.dataset, view.head.index, view.head.hash),
        orders=view.limit.orders if view.limit else (),
        cost=one.plan.cost,
    )
