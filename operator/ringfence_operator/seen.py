"""What `reconcile` sees: one job, its budgets, its children, and what was learnt outside the cluster. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.status import FederatedJobStatus

Orders = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A FederatedJob as the API server has it; `spec` is None when it does not satisfy its model (`fault` says why)."""

    uid: str
    namespace: str
    name: str
    generation: int
    created: str
    deleted_at: str
    finalizers: tuple[str, ...]
    resource: FederatedJob | None
    fault: str
    status: FederatedJobStatus

    @property
    def attempts(self) -> dict[str, int]:
        """Attempts so far by party; "" is the coordinator."""
        return {**{one.name: one.attempt for one in self.status.silos}, "": self.status.run or 0}

    @property
    def suspended(self) -> bool:
        return self.resource is not None and self.resource.spec.suspend


@dataclass(frozen=True)
class Anchor:
    """The ConfigMap that owns what an attempt made. The coordinator's carries its progress; its `silo` is ""."""

    namespace: str
    name: str
    uid: str
    silo: str
    attempt: int
    deleting: bool = False
    progress: str = ""
    lost: str = ""


@dataclass(frozen=True)
class Cluster:
    """A RayCluster of ours, or one that says so; only `anchor` (the owner's uid) proves it."""

    namespace: str
    name: str
    uid: str
    silo: str
    attempt: int
    anchor: str
    deleting: bool = False
    edited: bool = False
    queued: bool = False
    trouble: str = ""


@dataclass(frozen=True)
class Container:
    """One container of a pod. `code` is None until it has ended."""

    running: bool = False
    code: int | None = None
    reason: str = ""
    message: str = ""
    ready: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod of an attempt. `main` is the driver or the coordinator, `ray` the head beside a driver."""

    namespace: str
    name: str
    uid: str
    silo: str
    attempt: int
    phase: str = ""
    deleting: bool = False
    disrupted: bool = False
    unschedulable: str = ""
    main: Container = Container()
    ray: Container | None = None
    others: tuple[Container, ...] = ()


@dataclass(frozen=True)
class Task:
    """The coordinator's batch Job."""

    namespace: str
    name: str
    uid: str
    attempt: int
    anchor: str
    deleting: bool = False
    complete: bool = False
    failed: str = ""


@dataclass(frozen=True)
class Children:
    """Everything in the cluster that carries the job's uid."""

    anchors: tuple[Anchor, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    pods: tuple[Pod, ...] = ()
    tasks: tuple[Task, ...] = ()

    def of(self, silo: str, attempt: int) -> Children:
        """Those of one attempt."""
        return Children(
            anchors=tuple(one for one in self.anchors if (one.silo, one.attempt) == (silo, attempt)),
            clusters=tuple(one for one in self.clusters if (one.silo, one.attempt) == (silo, attempt)),
            pods=tuple(one for one in self.pods if (one.silo, one.attempt) == (silo, attempt)),
            tasks=tuple(one for one in self.tasks if not silo and one.attempt == attempt),
        )

    def of_silo(self, silo: str) -> Children:
        """Those of all attempts of one silo; "" is the coordinator."""
        return Children(
            anchors=tuple(one for one in self.anchors if one.silo == silo),
            clusters=tuple(one for one in self.clusters if one.silo == silo),
            pods=tuple(one for one in self.pods if one.silo == silo),
            tasks=self.tasks if not silo else (),
        )

    def __bool__(self) -> bool:
        return bool(self.anchors or self.clusters or self.pods or self.tasks)


@dataclass(frozen=True)
class Pinned:
    """What acceptance found out about one silo. `cost` is a round's, at `orders`; empty for a public dataset."""

    dataset: str
    version: int
    digest: str
    records: int
    ledger: str = ""
    before: str = ""
    head: tuple[str, int, str] | None = None
    orders: Orders = ()
    cost: tuple[int, ...] = ()


@dataclass(frozen=True)
class Party:
    """Public keys of a silo or of the coordinator in this job."""

    sign: str
    seal: str


@dataclass(frozen=True)
class Accepted:
    """A job that may be reserved, with all that its pods must be told."""

    code: str
    silos: Mapping[str, Pinned]
    keys: Mapping[str, Party]
    coordinator: Party


@dataclass(frozen=True)
class Refused:
    """An answer of no, or none at all: a reason of the closed set and a sentence; `at` is when it was given."""

    reason: str
    message: str
    at: float = 0.0
    tries: int = 1


@dataclass(frozen=True)
class Consent:
    """An owner's answer to whether the job's service account may use the budget."""

    allowed: bool
    message: str
    at: float


@dataclass(frozen=True)
class Endorsed:
    """What a statement says that was held against the ledgers: rounds that were committed, the job's epsilon (None for
    a job on public data), the last scores."""

    rounds: int
    epsilon: str | None
    metrics: Mapping[str, str]


@dataclass(frozen=True)
class Findings:
    """What this process learnt outside the cluster's objects, forgotten when it ends: all can be asked again.

    `trouble` is the last write that was refused or failed; `wrote` when the status was last written; `heard` the
    coordinator's last report and since when it stands unchanged.
    """

    acceptance: Accepted | Refused | None = None
    consent: Mapping[str, Consent] = field(default_factory=dict)
    reservation: bool | Refused | None = None
    closed: bool | Refused | None = None
    endorsement: Endorsed | Refused | None = None
    revoked: bool | Refused | None = None
    trouble: Refused | None = None
    wrote: float = 0.0
    heard: tuple[str, float] = ("", 0.0)


@dataclass(frozen=True)
class Seen:
    """One job as it looks now. `budgets` maps private silos to their PrivacyBudget, None where it is gone; `ahead`
    names the jobs that wait longer for room in one of them."""

    job: Job
    now: float
    budgets: Mapping[str, PrivacyBudget | None]
    children: Children = Children()
    findings: Findings = Findings()
    ahead: tuple[str, ...] = ()
