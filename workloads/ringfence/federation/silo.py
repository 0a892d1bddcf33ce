"""A silo's side of a job: verify, open, then one round after another (PROTOCOL section 4).

Everything that decides privacy (noise, clip, sampling rate, rounds) is read from the silo's own open reservation and
recomputed; nothing of it is taken from the coordinator or from whoever started the process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ringfence.errors import LedgerError, ManifestUnavailable, WorkloadFailed
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.audited import audited
from ringfence.federation.engines import Training, engine
from ringfence.federation.expected import expected_examples
from ringfence.federation.job_code import stored_code
from ringfence.federation.once import create
from ringfence.federation.release import Release
from ringfence.federation.rounds import COORDINATOR
from ringfence.observe.tally import Tally
from ringfence.privacy import jobkeys, planner
from ringfence.privacy.jobkeys import JobKeys, PublicKeys
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import Reservation
from ringfence.privacy.ledger.witness import FileWitness
from ringfence.shards.key_provider import key_of, provider
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, read_manifest_version
from ringfence.shards.open import open_dataset
from ringfence.spec.job import FederatedJob
from ringfence.store.interface import Store
from ringfence.store.open import Stores
from ringfence.tasks.load import load_task
from ringfence.training.flat import FlatModel

_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.5


@dataclass(frozen=True)
class Assignment:
    """What a silo's process is told. No secret is in it: keys are named by path and read by the process itself.

    `tally` is where it leaves what it has done so far, for whoever serves or watches it.
    """

    uid: str
    silo: str
    job: FederatedJob
    dataset: str
    signer: str | None
    manifest: tuple[int, str]
    kek: Path | None
    keys: Path
    coordinator: PublicKeys
    code: str
    stores: Stores
    heads: Path
    tally: Path | None = None

    @property
    def output(self) -> str:
        return f"{self.job.spec.output.rstrip('/')}/{self.uid}"


class Silo:
    """One silo of one job, prepared: its ledger verified, its rows open in this process's memory only."""

    def __init__(self, assignment: Assignment) -> None:
        """Raises by name whatever does not hold, before a key is read: ledger, manifest, code, shards."""
        self._a = assignment
        self._tally = Tally(assignment.tally)
        self._keys: JobKeys = jobkeys.load(assignment.keys)
        self._dataset: Store = assignment.stores.open(assignment.dataset)
        self._job: Store = assignment.stores.open(assignment.output)
        manifest = self._manifest()
        self._ledger, reservation = self._reservation(manifest)
        task_spec = assignment.job.spec.task
        task = load_task(task_spec.class_, task_spec.args, stored_code(self._job, assignment.code))
        torch.manual_seed(0)  # the initial weights are the coordinator's; this only keeps construction deterministic
        self._model = FlatModel(task.model(manifest.schema_))
        plan = reservation.reserve.plan if reservation else None
        training = Training(assignment.job, assignment.silo, manifest, plan, task)
        self._examples = expected_examples(training)
        with self._tally.part("open"), audited(manifest, self._ledger, reservation, self._keys.sign):
            kek = key_of(manifest, provider(assignment.kek) if assignment.kek else None, assignment.dataset)
            rows = open_dataset(self._dataset, manifest, kek)
        self._release = self._releases(kek)
        self._tally.count("shards", len(manifest.training))
        self._tally.count("shardBytes", sum(shard.size for shard in manifest.training))
        with self._tally.part("encode"):
            self._train = engine(training, rows)

    def run(self) -> int:
        """Takes part in every round that is still open; returns how many updates it published."""
        return sum(self.round(round_) for round_ in range(1, self._a.job.spec.rounds + 1))

    def round(self, round_: int) -> bool:
        """One round; whether this process published an update in it."""
        published = self._take_part(round_)
        if self._release is not None:
            self._release.clear(round_)
        return published

    def _take_part(self, round_: int) -> bool:
        with self._tally.part("wait", round_):
            model = self._wait(round_)
        if model is None or self._job.exists(layout.update(round_, self._a.silo)):
            return False
        with self._tally.part("release"):
            if self._release is None:
                return create(self._job, layout.update(round_, self._a.silo), self._update(round_, model))
            return self._release.once(round_, lambda: self._update(round_, model))

    def _manifest(self) -> Manifest:
        version, digest = self._a.manifest
        manifest = read_manifest_version(
            self._dataset, version, signer=self._a.signer, where=f"{self._dataset.url}/manifest/{version}"
        )
        if manifest.digest() != digest:
            raise ManifestUnavailable(
                "not the manifest that was accepted", where=f"{self._dataset.url}/manifest/{version}"
            )
        return manifest

    def _reservation(self, manifest: Manifest) -> tuple[Ledger | None, Reservation | None]:
        """This silo's own open reservation, checked against the job, the manifest, the code and the plan's cost."""
        if manifest.ledger is None:
            return None, None
        store = self._a.stores.open(manifest.ledger.url)
        ledger = Ledger.open(store, pin=manifest.ledger.entry0, witness=FileWitness(self._a.heads))
        found = ledger.view.reservations.get((self._a.uid, self._a.silo))
        where = f"{store.url}/ledger"
        # A closed one still lets the last round's charged bytes be published; charging under it is refused.
        charged = ledger.view.charged.get((self._a.uid, self._a.silo), {})
        if found is None or not (found.open or self._a.job.spec.rounds in charged):
            raise LedgerError(f"no open reservation of job {self._a.uid}", where=where)
        reserve, own = found.reserve, self._keys.public
        expected = {
            "the job's spec": (reserve.spec_digest, self._a.job.digest()),
            "the manifest": (reserve.manifest_digest, manifest.digest()),
            "the shards": (sorted(reserve.shards), sorted(shard.id for shard in manifest.training)),
            "the silo's keys": (reserve.silo_key + reserve.silo_seal_key, own.sign + own.seal),
            "the coordinator's keys": (
                reserve.coordinator_key + reserve.coordinator_seal_key,
                self._a.coordinator.sign + self._a.coordinator.seal,
            ),
            "the code": (reserve.code, self._a.code),
        }
        for what, (reserved, given) in expected.items():
            if reserved != given:
                raise LedgerError(f"the reservation is for another value of {what}", where=where)
        limit = ledger.view.limit
        planner.verify_plan(reserve.plan, reserve.cost, limit.orders if limit else ())
        return ledger, found

    def _releases(self, kek: Kek | None) -> Release | None:
        """The way out of this silo for what is charged; None for rows that were sealed as public."""
        if self._ledger is None:
            return None
        if kek is None:
            raise LedgerError("a private dataset needs its owner's key")
        return Release(self._a.uid, self._a.silo, self._keys.sign, kek, self._dataset, self._job, self._ledger)

    def _wait(self, round_: int) -> bytes | None:
        """The round's global model, opened; None when the round is over. Raises WorkloadFailed after a long silence."""
        end, pause = time.monotonic() + 2 * self._a.job.spec.round_deadline_seconds + 60, _FIRST_WAIT
        key = layout.model(round_)
        while not self._job.exists(key):
            if time.monotonic() > end:
                raise WorkloadFailed(f"no model of round {round_} appeared", where=f"{self._job.url}/{key}")
            time.sleep(pause)
            pause = min(_LONGEST_WAIT, pause * 1.3)
        if self._job.exists(layout.commit(round_)):
            return None
        address = envelope.Address("model", self._a.uid, round_, COORDINATOR)
        where = f"{self._job.url}/{key}"
        with self._job.reading(key) as file:
            message = envelope.read(file, address, signer=self._a.coordinator.sign, where=where)
            return message.open(self._a.silo, self._keys.seal)

    def _update(self, round_: int, model: bytes) -> bytes:
        """Trains from the global model and seals the difference to the coordinator."""
        self._model.load_bytes(model)
        digest = rounds.model_digest(self._model)
        with self._tally.part("train"):
            update = self._train(self._model, round_)
        self._tally.round_over(self._examples)
        with self._tally.part("seal"):
            return self._sealed(round_, digest, rounds.pack_update(update.numpy()))

    def _sealed(self, round_: int, digest: str, payload: bytes) -> bytes:
        """The update of the round that started from the model with `digest`, sealed to the coordinator."""
        head = {"index": self._ledger.view.head.index, "hash": self._ledger.view.head.hash} if self._ledger else None
        address = envelope.Address("update", self._a.uid, round_, self._a.silo)
        recipients = {COORDINATOR: self._a.coordinator.seal}
        return envelope.seal(address, payload, recipients, self._keys.sign, {"model": digest, "head": head})
