"""`python -m bench.operator [JOBS] [PAIRS]` with `tests` on PYTHONPATH: a burst of one-silo jobs on a real API server.

Without pods, KubeRay's controller, ledgers and MinIO: answers that would come from there are given at once, so that
only the control plane and the API server are measured. In each pair the operator takes a burst from create to the last
child, then a bare asynchronous client makes the identical list of writes for jobs of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.operator.answers import Answers
from bench.operator.recorded import Recorder, replay
from support.control_plane import CACHE, TOKEN, ControlPlane, free_port
from support.operated import install
from support.operator_jobs import budget, job_document

from ringfence_operator.controller.api import Api
from ringfence_operator.controller.kinds import CLUSTERS
from ringfence_operator.controller.running import operate
from ringfence_operator.settings import Settings

NAMESPACE = "op-bench"
_LIMIT = 600.0


def documents(jobs: int, run: str) -> list[dict[str, Any]]:
    """One-silo jobs in one namespace."""
    found = []
    for number in range(jobs):
        silo = [{"name": "mercy", "budgetRef": {"namespace": "mercy-ns", "name": "patients"}}]
        one = job_document(silos=silo, quorum=1)
        one["metadata"] = {"name": f"{run}-{number}", "namespace": "research"}
        found.append(one)
    return found


async def burst(api: Api, found: list[dict[str, Any]]) -> float:
    """Seconds from the first create until every job has its RayCluster, the last of what its silo's attempt is made of;
    the coordinator comes when silos run, and none does here."""
    before = await _count(api)
    start = time.monotonic()
    gate = asyncio.Semaphore(32)

    async def create(one: dict[str, Any]) -> None:
        async with gate:
            await api.create(one)

    await asyncio.gather(*(create(one) for one in found))
    while (await _count(api)) - before < len(found):
        if time.monotonic() - start > _LIMIT:
            raise SystemExit("the burst did not end")
        await asyncio.sleep(0.25)
    return time.monotonic() - start


async def _count(api: Api) -> int:
    page = await api.request("GET", CLUSTERS.path(), query={"limit": "1"})
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)


async def measure(plane: ControlPlane, jobs: int, pairs: int) -> dict[str, Any]:
    """The medians, and the memory of this process, operator and bare client together."""
    os.environ["KUBECONFIG"] = str(plane.kubeconfig("bench", TOKEN))
    api, stop = await Api.connect(os.environ["KUBECONFIG"]), asyncio.Event()
    recorder = Recorder(await Api.connect(os.environ["KUBECONFIG"]))
    settings = Settings(namespace=NAMESPACE, identity="bench", image="w:1", probes=free_port(), metrics=free_port())
    task = asyncio.create_task(operate(recorder, settings, Answers(), stop))  # type: ignore[arg-type]
    await burst(api, documents(10, "warm"))
    ratios, rates = [], []
    for number in range(pairs):
        recorder.writes.clear()
        mine = await burst(api, documents(jobs, f"p{number}"))
        await asyncio.sleep(2)
        bare = await replay(api, documents(jobs, f"b{number}"), recorder.writes, f"p{number}-", f"b{number}-")
        ratios.append(bare / mine)
        rates.append(jobs / mine)
        sys.stderr.write(f"pair {number}: operator {mine:.1f} s, bare {bare:.1f} s, {len(recorder.writes)} writes\n")
    alone = await latency(api)
    stop.set()
    await asyncio.gather(task, return_exceptions=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = {
        "jobs": jobs,
        "pairs": pairs,
        "ratio": statistics.median(ratios),
        "jobsPerSecond": statistics.median(rates),
    }
    return {**found, "p50AloneMs": alone, "peakMiB": peak}


async def latency(api: Api, count: int = 20) -> float:
    """Milliseconds, median, from the create of one job alone to its RayCluster."""
    found = []
    for number in range(count):
        start = time.monotonic()
        made = await api.create(documents(1, f"alone{number}")[0])
        uid = made["metadata"]["uid"]
        query = {"labelSelector": f"ringfence.dev/job-uid={uid}"}
        while not (await api.request("GET", CLUSTERS.path("mercy-ns"), query=query))["items"]:
            await asyncio.sleep(0.005)
        found.append(1000 * (time.monotonic() - start))
    return statistics.median(found)


def main(jobs: int, pairs: int) -> None:
    """Brings up an API server, measures, prints one JSON document."""
    plane = ControlPlane(Path(tempfile.mkdtemp(prefix="op-bench-")), collects=False)
    try:
        plane.start()
        plane.kubectl("apply", "--server-side", "-f", str(CACHE / "kuberay-crds"))
        install(plane, NAMESPACE)
        names = ("research", "mercy-ns")
        plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])
        plane.apply([{**budget("mercy").to_document(), "metadata": {"name": "patients", "namespace": "mercy-ns"}}])
        sys.stdout.write(json.dumps(asyncio.run(measure(plane, jobs, pairs)), indent=1) + "\n")
    finally:
        plane.stop()


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [600, 5][len(numbers) :]))
