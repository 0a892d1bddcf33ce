"""The operator in this process, as its own service account, over a control plane and over ledgers in folders.

There are no kubelets: a test plays the pods. Everything else is real, the ledgers too.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.chart import helm, rendered
from support.control_plane import ControlPlane, free_port, missing
from support.hospitals import House as Hospitals

from ringfence.privacy.ledger import operations
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.consent import bindings
from ringfence.spec.load import parse_document
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.identity import NAME, establish
from ringfence_operator.controller.memory import ClusterMemory
from ringfence_operator.controller.port import Ledgers
from ringfence_operator.controller.running import operate
from ringfence_operator.ledgers.credentials import Credentials
from ringfence_operator.ledgers.house import House
from ringfence_operator.settings import Limits, Settings


def install(plane: ControlPlane, namespace: str) -> None:
    """What the chart renders, but not the Deployment, whose pods nobody would run."""
    found = rendered(namespace, "--set=workload.image=workload:1", "--set=store.endpoint=http://store:9000")
    crds = [one for one in found if one["kind"] == "CustomResourceDefinition"]
    plane.apply([*crds, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    plane.apply([one for one in found if one["kind"] not in ("Deployment", "CustomResourceDefinition")])


def missing_for_operator() -> list[str]:
    """What such a test needs and this machine lacks."""
    return [*missing(), *([] if helm() else ["helm"])]


@dataclass
class Operator:
    """One replica. `start` returns once it watches; `kill` ends it without a word, `stop` in order."""

    plane: ControlPlane
    namespace: str
    store: Path
    settings: Settings = field(default_factory=Settings)
    failures: list[BaseException] = field(default_factory=list)
    port: Callable[[Ledgers], Any] = lambda ledgers: ledgers

    def start(self, name: str = "one") -> Operator:
        token = self.plane.token(self.namespace, NAME)
        kubeconfig = self.plane.kubeconfig(f"{self.namespace}-{name}", token)
        os.environ["KUBECONFIG"] = str(kubeconfig)
        limits = Limits(start=60, cleanup=20, consent=2, progress=1, retry=1, longest_retry=5)
        self.settings = replace(
            self.settings,
            namespace=self.namespace,
            identity=name,
            image="workload:1",
            probes=free_port(),
            metrics=free_port(),
            limits=limits,
        )
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(60), self.failures
        return self

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.failures.append(error)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        api = await Api.connect(os.environ["KUBECONFIG"])
        identity = await establish(api, self.namespace)
        memory = ClusterMemory(api, self.namespace, self._loop)
        stores = Hospitals(self.store).stores
        self.house = House(stores, memory, identity.writer, identity.master, identity.cluster, "workload:1")
        self._started.set()
        port = self.port(Ledgers(self.house, Credentials(identity.master)))
        try:
            await operate(api, self.settings, port, self._stop)
        finally:
            await api.close()

    def stop(self) -> None:
        """As SIGTERM does; once."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), [task.get_stack() for task in asyncio.all_tasks(self._loop)]


def owners(plane: ControlPlane, hospitals: Hospitals, namespace: str, writer: str) -> None:
    """Namespaces, bindings and budgets of all silos, as their owners apply them; `writer` is let into their ledgers."""
    for silo in hospitals.silos:
        operations.add_writer(hospitals.ledger(silo), hospitals.signer(silo), writer, "operator")
        budget = hospitals.budget_document(silo)
        plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": silo}}])
        plane.apply([*consent(budget, namespace), budget])


def consent(budget: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """What the budget's owner applies beside it, for the operator in `namespace`."""
    found = parse_document(budget, "budget")
    assert isinstance(found, PrivacyBudget)
    return bindings(found, (namespace, NAME))


def engineers(plane: ControlPlane, namespace: str) -> None:
    """The jobs' namespace, with the binding that lets the operator run coordinators there."""
    plane.kubectl("create", "namespace", "research")
    account = f"--serviceaccount={namespace}:{NAME}"
    plane.kubectl("create", "rolebinding", NAME, "--clusterrole=ringfence-job", account, "-n", "research")


def wait(what: str, found: Callable[[], Any], seconds: float = 30) -> Any:
    """What `found` returns once it is true."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            last = found()
        except AssertionError as error:
            last = error
        if last and not isinstance(last, AssertionError):
            return last
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s, last seen {json.dumps(last, default=str)[:2000]}")


def condition(job: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a job; empty when it has none of that type."""
    held = (job.get("status") or {}).get("conditions") or ()
    return next((one for one in held if one["type"] == kind), {})
