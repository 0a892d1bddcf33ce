"""The demo's story told in a cluster: what the platform team, the owners and the engineer each apply.

Three airports seal their flights into MinIO and open budgets that the operator may write to; every party has its own
namespace under Pod Security `restricted`, and its own credentials for the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster.devcluster import addons
from cluster.reached import Cluster
from cluster.release import SYSTEM, Release
from support.commands import ringfence

from ringfence.demo import jobs
from ringfence.demo.flights import AIRPORTS, read_flights
from ringfence.demo.folder import Folder
from ringfence.spec import FederatedJob, dump
from ringfence.store.policies import ANY_JOB, Policy, coordinator_policy, operator_policy
from ringfence.store.provision import Provisioner
from ringfence_operator.controller.identity import NAME

_NO_FINALIZER = '{"metadata": {"finalizers": null}}'


@dataclass(frozen=True)
class Stage:
    """`root` holds rows, keys, credentials and manifests; `flights` says how many of each airport's rows are sealed."""

    cluster: Cluster
    root: Path
    flights: int | None = None

    @property
    def folder(self) -> Folder:
        return Folder(self.root)

    def set(self) -> None:
        """Everything up to the job."""
        self.rows()
        self.buckets()
        self.operator()
        for airport in AIRPORTS:
            self.owner(airport)
        self.engineer()

    def clear(self) -> None:
        """Remove what an earlier stage left in a test cluster that was kept. Never in a user's own cluster."""
        if not self.cluster.ours:
            return
        parties = (*AIRPORTS, jobs.TEAM)
        self.cluster.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=180s")
        if self.cluster.kubectl("get", "crd", "federatedjobs.ringfence.dev", "--ignore-not-found"):
            for job in self.cluster.items("-n", jobs.TEAM, "federatedjobs"):
                one = ("-n", jobs.TEAM, "federatedjob", job["metadata"]["name"])
                self.cluster.kubectl("patch", *one, "--type=merge", "-p", _NO_FINALIZER)
                self.cluster.kubectl("delete", *one, "--ignore-not-found")
        self.cluster.kubectl("delete", "namespace", *parties, "--ignore-not-found", "--timeout=180s")
        volumes = [f"{addons.TORCH}-{name}" for name in parties]
        self.cluster.kubectl("delete", "pv", *volumes, "--ignore-not-found", "--timeout=60s")
        addons.store_clear()

    def rows(self) -> None:
        """The demo's rows and schema, as files."""
        read = read_flights()
        for name, rows in {**read.airports, "holdout": read.holdout}.items():
            self.folder.write_rows(name, rows if name == "holdout" else rows.slice(0, self.flights))
        self.folder.write_schema("traffic")

    def buckets(self) -> None:
        """What `ringfence store init` makes; the coordinator may read the public hold-out too."""
        silos = [f"--silo={airport}={jobs.private_url(airport)}" for airport in AIRPORTS]
        self.run("store", "init", *silos, f"--output={jobs.MODELS}", "--lock-days=1", "--credentials", self.credentials)
        self.grant(
            "coordinator",
            coordinator_policy(output=jobs.MODELS, uid=ANY_JOB, datasets=self.places, holdout=jobs.HOLDOUT),
        )

    def grant(self, user: str, policy: Policy) -> None:
        """One of the users that `store init` made has exactly this policy from now on."""
        self.administrator.ensure_user(user, self.credential(user)["AWS_SECRET_ACCESS_KEY"], user, policy)

    @property
    def administrator(self) -> Provisioner:
        return Provisioner(self.cluster.store, self.cluster.access, self.cluster.secret)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Dataset and ledger of every airport."""
        return [(jobs.private_url(airport), self.ledger(airport)) for airport in AIRPORTS]

    def manage_credentials(self) -> None:
        """From now on the operator itself makes the store's users, one for each silo and attempt."""
        self.grant("operator", operator_policy(datasets=self.places, outputs=[jobs.MODELS], manage_users=True))
        self.release.upgrade(options=("--set", "store.credentials=Managed"))

    @property
    def release(self) -> Release:
        return Release(self.cluster)

    def operator(self) -> None:
        """The platform team's part; returns when the operator is ready. The chart has an earlier version's number, so
        that it can be upgraded."""
        self.cluster.apply(restricted(SYSTEM))
        self.cluster.apply(self.store_secret(SYSTEM, "ringfence-operator-store", "operator"))
        self.release.install(self.release.previous(self.root))

    @cached_property
    def writer(self) -> str:
        """The operator's public key, which owners let write."""
        return self.cluster.get("-n", SYSTEM, "configmap", NAME)["data"]["writer"]

    def owner(self, airport: str) -> None:
        """One airport: keys, sealed flights, an open budget, and what `budget open` prints to let others in."""
        key = self.folder.key(airport)
        key.parent.mkdir(parents=True, exist_ok=True)
        self.run("keys", "new", key)
        self.seal(airport, airport, jobs.private_url(airport), f"--ledger={self.ledger(airport)}")
        budget = self.root / f"budget-{airport}.yaml"
        limit = [f"--epsilon={jobs.LIMIT}", f"--delta={jobs.CAST.delta}", "--namespace", airport, "--name", jobs.BUDGET]
        granted = ["--consumer", jobs.TEAM, f"--writer={self.writer}", "--expect", self.job(), "--output", budget]
        self.run("budget", "open", jobs.private_url(airport), "--keys", key, *limit, *granted)
        self.namespace(airport)
        self.cluster.apply(
            secret(airport, key.name, {"kek": key.read_text()}),
            self.store_secret(airport, "ringfence-store", f"silo-{airport}"),
        )
        self.cluster.kubectl("apply", "-f", str(budget))

    def engineer(self) -> None:
        """The team's namespace and its public hold-out."""
        key = self.folder.key(jobs.TEAM)
        key.parent.mkdir(parents=True, exist_ok=True)
        self.run("keys", "new", key)
        self.seal(jobs.TEAM, "holdout", jobs.HOLDOUT, "--public")
        self.namespace(jobs.TEAM)
        account = f"--serviceaccount={SYSTEM}:{NAME}"
        bound = ("rolebinding", NAME, "--clusterrole=ringfence-job", account)
        self.cluster.kubectl("-n", jobs.TEAM, "create", *bound)
        self.cluster.apply(self.store_secret(jobs.TEAM, "ringfence-store", "coordinator"))

    def seal(self, owner: str, rows: str, url: str, *more: str) -> None:
        source, key = self.folder.rows(rows), self.folder.key(owner)
        self.run("seal", source, "--to", url, "--keys", key, "--schema", self.folder.schema, *more)

    def job(self, job: FederatedJob | None = None) -> Path:
        """The engineer's manifest: the demo's own, unless another is given."""
        job = job or jobs.federated()
        path = self.root / f"{job.metadata.name}.yaml"
        path.write_text(dump(job))
        return path

    def namespace(self, name: str) -> None:
        """A party's namespace; on the project's own cluster torch comes from this machine."""
        self.cluster.apply(restricted(name))
        if self.cluster.ours:
            self.cluster.apply(*addons.torch_volume(name))

    def store_secret(self, namespace: str, name: str, user: str) -> dict[str, Any]:
        """As `kubectl create secret generic NAME --from-env-file=USER.env` makes it."""
        return secret(namespace, name, self.credential(user))

    @property
    def credentials(self) -> Path:
        return self.root / "credentials"

    def credential(self, user: str) -> dict[str, str]:
        """The AWS_* variables that `store init` wrote for a user."""
        lines = (self.credentials / f"{user}.env").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    @staticmethod
    def ledger(airport: str) -> str:
        return f"s3://{airport}-ledgers/flights"

    def run(self, *arguments: object) -> str:
        """A command of ours, as the store's administrator; what it prints."""
        done = ringfence(self.root, *arguments, **self.cluster.variables())
        assert done.returncode == 0, f"ringfence {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout


def secret(namespace: str, name: str, data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def restricted(name: str) -> dict[str, Any]:
    """A namespace under Pod Security `restricted`."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
