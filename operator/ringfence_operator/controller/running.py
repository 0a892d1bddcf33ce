"""The whole operator: connect, make sure of its keys, watch, lead or stand by, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress

from prometheus_client import CollectorRegistry

from ringfence.errors import ClusterError
from ringfence.observe.metrics.controller import ControllerMetrics
from ringfence.store.open import Stores
from ringfence.store.provision import Provisioner
from ringfence_operator.controller import metrics as series
from ringfence_operator.controller import probes, watching
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.budgeting import Budgets
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.carrying import Hands
from ringfence_operator.controller.identity import Identity, establish
from ringfence_operator.controller.keys import Keys
from ringfence_operator.controller.lease import Lease
from ringfence_operator.controller.memory import ClusterMemory
from ringfence_operator.controller.notes import Notes
from ringfence_operator.controller.port import Ledgers, Port
from ringfence_operator.controller.resync import Resync
from ringfence_operator.controller.working import JOB, Workers
from ringfence_operator.ledgers.credentials import Credentials
from ringfence_operator.ledgers.house import House
from ringfence_operator.settings import Settings

_LOG = logging.getLogger("ringfence.operator")
_RETRY = 2.0


async def main(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises KeyRejected, or InvalidInput, for what a restart would not mend."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = await Api.connect(os.environ.get("KUBECONFIG"))
    try:
        identity = await _established(api, settings, stop)
        if identity is not None:
            await operate(api, settings, _port(api, settings, identity), stop)
    finally:
        await api.close()


async def operate(api: Api, settings: Settings, port: Port, stop: asyncio.Event) -> None:
    """Watches in every replica and works in the one that leads."""
    registry = CollectorRegistry()
    metrics = ControllerMetrics(registry)
    cache, keys = Cache(), Keys(metrics.waited)
    lease = Lease(api, settings.namespace, settings.lease, settings.identity)
    hands = Hands(api, cache, Notes(), port, settings, lease.held, metrics)
    workers = Workers(hands, keys, Budgets(hands, lambda uid: keys.add((JOB, watching.namespace_of(cache, uid), uid))))
    resync = Resync(hands, keys.add, settings.watched)
    series.register(registry, hands, keys, lambda: resync.last)
    leading: set[asyncio.Task[None]] = set()

    def change(leads: bool) -> None:
        _LOG.info("leading" if leads else "standing by")
        if leads:
            leading.add(asyncio.create_task(_lead(resync, workers)))
            return
        for task in leading:
            task.cancel()
        leading.clear()
        workers.stop()

    servers = [
        await probes.serve(settings.probes, lambda: cache.synced, workers.slowest),
        await probes.metrics(settings.metrics, registry),
    ]
    tasks = [
        asyncio.create_task(watching.watch(settings.watched, cache, keys.add, stop)),
        asyncio.create_task(resync.forever(settings.resync)),
        asyncio.create_task(lease.keep(change)),
        asyncio.create_task(stop.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()
        workers.stop()
        await lease.release()
        for task in [*tasks[1:], *leading]:
            task.cancel()
        await asyncio.gather(*tasks, *leading, return_exceptions=True)
        for server in servers:
            await server.cleanup()


async def _lead(resync: Resync, workers: Workers) -> None:
    """A new leader first reads everything as it is now: its cache may lag behind what the last one wrote.

    It is cancelled when the lease is lost, and asks for it nowhere itself: a renewal that comes late puts the lease in
    doubt for a moment that nobody is told of, and a leader that gave up then would lead without working for ever.
    """
    while True:
        try:
            await resync.once()
        except ClusterError as error:
            _LOG.warning("before leading: %s", error)
            await asyncio.sleep(_RETRY)
        except Exception:  # whatever it is, a leader that does not work is worse
            _LOG.exception("before leading")
            await asyncio.sleep(_RETRY)
        else:
            workers.start()
            return


async def _established(api: Api, settings: Settings, stop: asyncio.Event) -> Identity | None:
    """The operator's keys, as soon as the API server answers."""
    while not stop.is_set():
        try:
            return await establish(api, settings.namespace)
        except ClusterError as error:
            _LOG.warning("the operator's keys: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RETRY)
    return None


def _port(api: Api, settings: Settings, identity: Identity) -> Port:
    memory = ClusterMemory(api, settings.namespace, asyncio.get_running_loop())
    house = House(Stores(), memory, identity.writer, identity.master, identity.cluster, settings.image)
    provisioner = None
    if settings.credentials == "Managed":
        access, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        provisioner = Provisioner(settings.endpoint, access, secret)
    return Ledgers(house, Credentials(identity.master, provisioner))
