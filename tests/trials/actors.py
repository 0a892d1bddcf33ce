"""Who acts in a trial: each role is a function that runs as a process of its own and may die anywhere in it.

What decides about budget and release is the product's own code; here is only who calls it, when, and how often.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trials import world
from trials.scenario import Job, Part, Scenario
from trials.steps import Journal

from ringfence import canonical
from ringfence.errors import LedgerError, RingfenceError, StoreError
from ringfence.federation import layout
from ringfence.federation.release import Release
from ringfence.privacy.ledger import Charge, Head, Ledger, Witness, claim, operations
from ringfence.signing import public_name
from ringfence.store import Store

TRIES = 3


@dataclass(frozen=True)
class Actor:
    """What a process has: its part, its dice, its way to the stores, and the pauses it may make."""

    scenario: Scenario
    part: Part
    rng: random.Random
    open: Callable[[str], Store]
    journal: Journal
    witness: Witness | None
    rest: Callable[[str], None]
    release: type[Release] = Release

    def job(self, uid: str = "") -> Job:
        """The job of that uid, else the one of this actor's part."""
        return next(job for job in self.scenario.jobs if job.uid == (uid or self.part.job))

    def ledger(self, dataset: str) -> Ledger:
        """The dataset's ledger, opened anew."""
        return Ledger.open(self.open(dataset), pin=world.pin(dataset), witness=self.witness)

    def attempt(self, call: Callable[[], Any]) -> Any:
        """The call's result, tried again while its outcome is unknown; None once it is refused, which is told."""
        for _ in range(TRIES):
            try:
                return call()
            except StoreError as error:
                self.journal.write("unsettled", error=str(error))
            except RingfenceError as error:
                self.journal.write("refused", error=type(error).__name__, text=str(error))
                return None
        return None

    def acknowledge(self, dataset: str, head: Head, **facts: Any) -> None:
        """Writes down what this client has been told: a head, and what it asked for."""
        self.journal.write("ack", dataset=dataset, index=head.index, hash=head.hash, **facts)


def controller(actor: Actor) -> None:
    """One of two that reserve and close for the same jobs, without knowing of each other."""
    own = actor.rng.random() < 0.6
    writer = world.writer_of(actor.part.name if own else "controller-1")
    ledgers: dict[str, Ledger] = {}
    jobs = list(actor.scenario.jobs)
    actor.rng.shuffle(jobs)
    plan = [(_reserve, job) for job in jobs]
    plan += [
        (actor.rng.choice((_reserve, _close, _close)), actor.rng.choice(jobs)) for _ in range(actor.rng.randint(1, 6))
    ]
    for act, job in plan:
        for dataset in job.datasets:
            if dataset not in ledgers:
                opened = actor.attempt(lambda dataset=dataset: actor.ledger(dataset))
                if opened is None:
                    return
                ledgers[dataset] = opened
        actor.attempt(lambda act=act, job=job: act(actor, job, ledgers, writer))
        if actor.rng.random() < 0.5:
            actor.rest(actor.rng.choice(job.datasets))


def _reserve(actor: Actor, job: Job, ledgers: dict[str, Ledger], writer: Any) -> None:
    """All datasets or none, for the rounds that are not charged yet."""
    requests = []
    for dataset in job.datasets:
        view = ledgers[dataset].refresh()
        held = view.reservations.get((job.uid, dataset))
        first = max([1, *(round_ + 1 for round_ in view.charged_rounds(job.uid, dataset))])
        if first <= job.rounds and not (held and held.open):
            requests.append((ledgers[dataset], writer, world.reserve_of(actor.scenario, job, dataset, first)))
    for (_, _, body), head in zip(requests, operations.reserve_all(requests), strict=True):
        actor.acknowledge(body.silo, head, reserved=job.uid)


def _close(actor: Actor, job: Job, ledgers: dict[str, Ledger], writer: Any) -> None:
    for dataset in job.datasets:
        if (job.uid, dataset) in ledgers[dataset].refresh().reservations:
            head = operations.close(ledgers[dataset], writer, job=job.uid, silo=dataset, reason="a trial's controller")
            actor.acknowledge(dataset, head, closed=job.uid)


def silo(actor: Actor) -> None:
    """Takes part in every round of its job: the product's own stage, charge and publish, on random bytes."""
    dataset, job = actor.part.dataset, actor.job()
    ledger = actor.attempt(lambda: actor.ledger(dataset))
    if ledger is None or not _reserved(actor, ledger, job, dataset):
        return
    way_out = actor.release(
        uid=job.uid,
        silo=dataset,
        key=world.silo_key(job.uid, dataset),
        kek=world.kek(dataset),
        dataset=actor.open(dataset),
        job=actor.open(f"jobs/{job.uid}"),
        ledger=ledger,
    )
    for round_ in range(1, job.rounds + 1):
        if actor.attempt(lambda round_=round_: _take_part(actor, way_out, round_)) is None:
            return


def _reserved(actor: Actor, ledger: Ledger, job: Job, dataset: str) -> bool:
    """Waits for its own open reservation; a closed one lets the last round's charged bytes be published."""
    while True:
        view = actor.attempt(ledger.refresh)
        if view is None:
            return False
        held = view.reservations.get((job.uid, dataset))
        if held is not None and (held.open or job.rounds in view.charged.get((job.uid, dataset), {})):
            return True
        actor.rest(dataset)


def _take_part(actor: Actor, way_out: Release, round_: int) -> bool:
    """A round as a silo's process goes through it, after its model appeared."""
    over = way_out.job.exists(layout.update(round_, way_out.silo)) or way_out.job.exists(layout.commit(round_))
    if not over:
        way_out.once(round_, lambda: actor.rng.randbytes(40) + f"{actor.part.name} {round_}".encode())
        if round_ in way_out.charges():
            actor.acknowledge(
                way_out.silo,
                way_out.ledger.view.head,
                charged=way_out.uid,
                round=round_,
                digest=way_out.charges()[round_],
            )
    way_out.clear(round_)
    actor.journal.write("round", job=way_out.uid, silo=way_out.silo, round=round_)
    return True


def charger(actor: Actor) -> None:
    """Charges rounds that others charge too, with the same bytes or other ones, and releases nothing."""
    dataset, job = actor.part.dataset, actor.job()
    ledger = actor.attempt(lambda: actor.ledger(dataset))
    if ledger is None or not _reserved(actor, ledger, job, dataset):
        return
    for number in range(actor.rng.randint(1, 4)):
        round_ = actor.rng.randint(1, job.rounds)
        known = ledger.view.charged.get((job.uid, dataset), {}).get(round_)
        digest = known if known and actor.rng.random() < 0.5 else canonical.digest(b"%d" % (number // 2))
        body = Charge(job.uid, dataset, round_, digest, world.cost_of_a_round(dataset, actor.scenario.capacity))
        if (
            actor.attempt(lambda body=body: operations.charge(ledger, world.silo_key(job.uid, dataset), body))
            is not None
        ):
            actor.acknowledge(dataset, ledger.view.head, charged=job.uid, round=round_, digest=digest)


def coordinator(actor: Actor) -> None:
    """Ends each round with one commit of the updates that are there; a second one adopts the first's."""
    store, job = actor.open(f"jobs/{actor.part.job}"), actor.job()
    for round_ in range(1, job.rounds + 1):
        for _ in range(actor.rng.randint(1, 12)):
            updates = actor.attempt(lambda round_=round_: store.list(f"rounds/{round_}/updates"))
            if updates is None or len(updates) == len(job.datasets):
                break
            actor.rest(f"jobs/{job.uid}")
        if actor.attempt(lambda round_=round_: _commit(store, round_)) is None:
            return


def _commit(store: Store, round_: int) -> bool:
    found = {info.key: canonical.digest(store.get(info.key)) for info in store.list(f"rounds/{round_}/updates")}
    store.put_if_absent(layout.commit(round_), json.dumps(found).encode())
    return True


def opener(actor: Actor) -> None:
    """The owner opens the budget again, as after its resource was deleted, and changes the limit."""
    dataset = actor.part.dataset
    owner, store = world.owner(dataset), actor.open(dataset)

    def again() -> None:
        ledger = Ledger.create(
            store, dataset=world.dataset_id(dataset), unit="Record", owner=owner, witness=actor.witness
        )
        operations.set_limit(ledger, owner, epsilon=world.EPSILON, delta=world.DELTA, reason="opened again")
        operations.add_writer(ledger, owner, public_name(world.writer_of("controller-1")), "controller-1")
        actor.acknowledge(dataset, claim(ledger, owner, f"key:{public_name(owner)}"))

    def change(epsilon: Decimal) -> None:
        ledger = actor.ledger(dataset)
        head = operations.set_limit(ledger, owner, epsilon=epsilon, reason="a trial's owner")
        actor.acknowledge(dataset, head)

    actor.attempt(again)
    for _ in range(actor.rng.randint(0, 2)):
        actor.rest(dataset)
        actor.attempt(lambda: change(actor.rng.choice((Decimal(4), Decimal(6), Decimal(8), Decimal(9)))))


def finisher(actor: Actor) -> None:
    """The last one, with honest replies: the owner closes what is open. Tells how the product reads each ledger."""
    for dataset in actor.scenario.datasets:
        try:
            ledger = actor.ledger(dataset)
            for held in ledger.view.open_reservations():
                operations.close(
                    ledger, world.owner(dataset), job=held.reserve.job, silo=held.reserve.silo, reason="the trial ends"
                )
        except LedgerError as error:
            actor.journal.write("refused", error=type(error).__name__, text=str(error))
            continue
        charged = {f"{job.uid}/{n}": told for job in actor.scenario.jobs for n, told in _charged(ledger, job, dataset)}
        spent = {shard: list(ledger.view.spent(shard)) for shard in sorted(ledger.view.members)}
        actor.journal.write("final", dataset=dataset, charged=charged, spent=spent)


def _charged(ledger: Ledger, job: Job, dataset: str) -> list[tuple[int, str]]:
    """Each charged round with its digest, "" where a snapshot has forgotten it."""
    known = ledger.view.charged.get((job.uid, dataset), {})
    return [(round_, known.get(round_, "")) for round_ in ledger.view.charged_rounds(job.uid, dataset)]


ROLES: dict[str, Callable[[Actor], None]] = {
    role.__name__: role for role in (controller, silo, charger, coordinator, opener, finisher)
}
