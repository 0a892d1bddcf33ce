"""A whole job on this machine: the same manifests as in a cluster, one local Ray, one process a silo.

Killed at any point, it is continued by `resume`: reservations, charges, updates and commits lie in the stores, keys and
pins in the state directory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ringfence.acceptance.accept import accept
from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.acceptance.code import Code
from ringfence.acceptance.refusing import tell_refusals
from ringfence.errors import CodeNotApproved, RingfenceError, TermsRefused
from ringfence.federation import layout, reservations, results
from ringfence.federation.code import find_code
from ringfence.federation.conducting import conductor
from ringfence.federation.coordinator import Coordinator
from ringfence.federation.finished import Finished
from ringfence.federation.loaded import LoadedModel, load
from ringfence.federation.once import create
from ringfence.federation.rounds import COORDINATOR, Commit
from ringfence.federation.state import RunRecord, StateDirectory
from ringfence.federation.telling import Telling
from ringfence.observe.progress import Progress, SilentProgress
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.spec.load import Manifests
from ringfence.store.interface import Store
from ringfence.store.open import Stores


@dataclass(frozen=True)
class RunOptions:
    """What the command line adds to the manifests."""

    keys: Path | None = None
    store: Path | None = None
    code: Path | None = None
    resume: bool = False
    state: Path | None = None


@dataclass(frozen=True)
class RunResult:
    """A finished job: where its model and statement lie, its rounds, and the signed statement."""

    uid: str
    output: str
    commits: list[Commit]
    statement: dict[str, Any]
    stores: Stores = field(repr=False)

    @property
    def metrics(self) -> dict[str, str]:
        """The last round's scores, as decimal strings."""
        return self.commits[-1].metrics

    def figures(self) -> list[dict[str, str]] | None:
        """The table of a job that made one instead of a model (`ringfence.tasks:Statistics`), all of it text."""
        store = self.stores.open(self.output)
        found: list[dict[str, str]] | None = None
        if store.exists(layout.FIGURES):
            found = json.loads(store.get(layout.FIGURES))
        return found

    def model(self) -> LoadedModel:
        """The trained model, ready to predict."""
        return load(self.output, self.stores)


def run_job(
    manifests: Manifests,
    options: RunOptions | None = None,
    progress: Progress | None = None,
    cluster: Any = None,
) -> RunResult:
    """Run the job of `manifests` to its end. `cluster` is a LocalCluster to use instead of one of its own.

    Raises what acceptance raises, with nothing written but a refusal by terms in the owners' audit logs;
    BudgetExhausted, with nothing in any ledger; QuorumLost, DeadlineExceeded and a silo's own refusal, with what was
    never charged given back.
    """
    options, progress = options or RunOptions(), progress or SilentProgress()
    stores, state = Stores(options.store), StateDirectory(options.state)
    job = manifests.job()
    progress.stage("checking the job, its budgets and its code")
    unfinished = state.unfinished(job.digest())
    record = unfinished if options.resume else None
    if unfinished and not options.resume:
        progress.note(
            f"an unfinished run of this job is on this machine ({unfinished.uid}): --resume continues it, "
            f"`ringfence budget close URL --job {unfinished.uid}` gives back what it holds"
        )
    code = find_code(job, stores, options.code)
    acceptance = _accept(manifests, stores, state, code, record, options.keys)
    if record is None:
        reservations.check(acceptance, options.keys)
        pins = {one.silo: (one.manifest.version, one.manifest.digest()) for one in acceptance.participants}
        before = {one.silo: f"{one.ledger.view.spent_epsilon():f}" for one in acceptance.private if one.ledger}
        record = state.new(job.digest(), pins, before)
    with state.lock(record.uid):
        run = _Run(acceptance, record, options, stores, state, progress)
        with run.telling:
            return run.go(cluster)


def _accept(
    manifests: Manifests, stores: Stores, state: StateDirectory, code: Code, record: RunRecord | None, keys: Path | None
) -> Acceptance:
    """The job accepted, or refused and told so to the owners whose keys are here."""
    try:
        return accept(manifests, stores, state, code, record.manifests if record else None)
    except (TermsRefused, CodeNotApproved):
        owner = partial(reservations.owner_key, keys)
        tell_refusals(manifests, stores, code.digest, owner, record.uid if record else "")
        raise


class _Run:
    """One attempt at a job on this machine."""

    def __init__(
        self,
        acceptance: Acceptance,
        record: RunRecord,
        options: RunOptions,
        stores: Stores,
        state: StateDirectory,
        progress: Progress,
    ) -> None:
        self._acceptance, self._record, self._options = acceptance, record, options
        self._stores, self._state, self._progress = stores, state, progress
        self._job = acceptance.job
        self._keys = state.keys(record.uid, COORDINATOR)
        self.telling = Telling(state.progress_path(record.uid), record.uid, acceptance)

    def go(self, cluster: Any) -> RunResult:
        """Reserve, run the rounds, close, write the results: each step safe to repeat."""
        self._progress.stage("building the model")
        limit = self._job.spec.active_deadline_seconds
        deadline = None if limit is None else time.monotonic() + limit
        job = conductor(self._acceptance, self._record.uid, self._stores, self._keys, self._public, deadline)
        done = job.coordinator.committed()
        self._progress.stage("reserving the budget")
        self._put_code(job.store)
        reservations.reserve(
            self._acceptance, self._record.uid, done + 1, self._options.keys, self._public, self._keys.public
        )
        try:
            commits = self._rounds(job.coordinator, done, cluster)
        except RingfenceError as error:
            reservations.close(self._acceptance, self._record.uid, self._options.keys, f"failed: {error.reason}")
            raise
        self._clear_staging()
        reservations.close(self._acceptance, self._record.uid, self._options.keys, "complete")
        self._progress.stage("writing the statement and the report")
        endorser = self._state.identity()
        statement = results.write(
            Finished(self._acceptance, self._record.uid, commits, job.model, self._record.before),
            job.store,
            self._keys.sign,
            endorser,
        )
        self._state.finish(self._record)
        return RunResult(self._record.uid, job.url, commits, statement, self._stores)

    def _rounds(self, coordinator: Coordinator, done: int, cluster: Any) -> list[Commit]:
        """All commits; silos are started only if a round is left."""
        rounds = self._job.spec.rounds
        if done >= rounds:
            return coordinator.run(self.telling.committed)
        with self._silos(cluster) as lost:
            coordinator.watch(lambda: self.telling.know(lost()), self.telling.waiting)
            self._progress.stage("training", total=rounds)
            return coordinator.run(self._tell)

    @contextmanager
    def _silos(self, cluster: Any) -> Iterator[Any]:
        """The silos' processes, prepared and started; ended at the way out."""
        from ringfence.federation.local_cluster import LocalCluster
        from ringfence.federation.supervisor import Supervisor

        self._progress.stage("starting Ray and one process for each silo")
        assignments = [self._assignment(one) for one in self._acceptance.participants]
        with nullcontext(cluster) if cluster else LocalCluster() as running:
            supervisor = Supervisor(running, assignments, self._job.spec.backoff_limit)
            try:
                self._progress.stage("opening the silos' shards, each in its own process")
                supervisor.prepare()
                supervisor.start()
                yield supervisor.lost
            finally:
                supervisor.stop()

    def _tell(self, commit: Commit) -> None:
        self.telling.committed(commit)
        self._progress.advance()
        scores = ", ".join(f"{name} {value[:6]}" for name, value in commit.metrics.items())
        self._progress.note(f"round {commit.round}: {len(commit.members)} silos{', ' if scores else ''}{scores}")

    def _assignment(self, one: Participant) -> Any:
        from ringfence.federation.silo import Assignment

        return Assignment(
            uid=self._record.uid,
            silo=one.silo,
            job=self._job,
            dataset=one.url,
            signer=one.budget.spec.signer if one.budget else None,
            manifest=(one.manifest.version, one.manifest.digest()),
            kek=reservations.key_file(self._options.keys, one.budget).absolute() if one.budget else None,
            keys=self._state.key_path(self._record.uid, one.silo).absolute(),
            coordinator=self._keys.public,
            code=self._acceptance.code.digest,
            stores=self._stores,
            heads=self._state.heads.absolute(),
            tally=self._state.tally_path(self._record.uid, one.silo).absolute(),
        )

    def _public(self, silo: str) -> PublicKeys:
        return self._state.keys(self._record.uid, silo).public

    def _clear_staging(self) -> None:
        """What a silo that died staged for the last rounds is of no more use to anybody."""
        for one in self._acceptance.private:
            store = self._stores.open(one.url)
            for staged in store.list(layout.staging(self._record.uid)):
                store.delete(staged.key)

    def _put_code(self, store: Store) -> None:
        code = self._acceptance.code
        if code.data is not None:
            create(store, layout.code(code.digest), code.data)
