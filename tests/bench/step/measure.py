"""One process's measurements, as one JSON document: run by the bench in the environment that has Opacus."""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable

import torch
from bench.step.engines import ENGINES, Steps
from bench.step.workloads import WORKLOADS, Batch, Workload

HOPELESS = 10.0  # times the bare step: measured in one step only
SLOW = 2.0  # seconds: a first step of this length is not tried again before the rounds
MIB = 1 << 20


def seconds(name: str, rounds: int) -> dict[str, float]:
    """CPU seconds a step by engine, the least of interleaved rounds; what else the machine does counts little."""
    workload = WORKLOADS[name]
    data = workload.batch()
    runs: dict[str, Steps] = {}
    best: dict[str, float] = {}
    for engine, build in ENGINES.items():
        first = _first(name, engine, build, data)
        if first is None:
            continue
        run, taken = first
        best[engine] = min(taken, _timed(run, 1)) if taken < SLOW else taken
        if best[engine] < HOPELESS * best["bare"]:
            runs[engine] = run
    for engine in runs:
        best[engine] = float("inf")
    for _ in range(rounds):
        for engine, run in runs.items():
            best[engine] = min(best[engine], _timed(run, workload.steps) / workload.steps)
    return best


def growth(name: str, engine: str) -> float:
    """MiB that the process's peak grows by in three steps, from when model and data are there."""
    workload = WORKLOADS[name]
    run = ENGINES[engine](workload, workload.batch())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(3)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / MIB


def _first(
    name: str, engine: str, build: Callable[[Workload, Batch], Steps], data: Batch
) -> tuple[Steps, float] | None:
    """The engine ready to run, and the time of its first step; None when it cannot do this model."""
    try:
        run = build(WORKLOADS[name], data)
        return run, _timed(run, 1)
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        print(f"{name}: {engine} fails: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
        return None


def _timed(run: Steps, steps: int) -> float:
    start = time.process_time()
    run(steps)
    return time.process_time() - start


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    match sys.argv[1:]:
        case ["seconds", name, rounds]:
            print(json.dumps(seconds(name, int(rounds))))
        case ["growth", name, engine]:
            print(json.dumps(growth(name, engine)))
        case ["oracle"]:
            from bench.step.oracle import differences

            print(json.dumps(differences()))
        case ["versions"]:
            import opacus

            print(json.dumps([torch.__version__, opacus.__version__, platform.python_version()]))
        case other:
            raise SystemExit(f"unknown measurement {other}")


if __name__ == "__main__":
    main()
