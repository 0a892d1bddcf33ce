"""However a manifest is malformed, `plan` answers with exit 2 and one line; never a traceback, never exit 0."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ringfence.cli.app import app

JOB: dict[str, Any] = {
    "apiVersion": "ringfence.dev/v1alpha1",
    "kind": "FederatedJob",
    "metadata": {"name": "ill", "namespace": "research"},
    "spec": {
        "task": {"class": "ringfence.tasks:TabularClassifier", "args": {"hidden": [8]}},
        "silos": [{"name": "mercy", "budgetRef": {"namespace": "mercy", "name": "ill"}}],
        "rounds": 2,
        "quorum": 1,
        "local": {"epochs": "1", "batchSize": 8, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": "2", "delta": "1e-5", "maxGradNorm": "1"},
        "output": "s3://research/models",
    },
}
REQUIRED = [
    ("apiVersion",), ("kind",), ("metadata",), ("spec",), ("metadata", "name"), ("spec", "task"), ("spec", "silos"),
    ("spec", "task", "class"), ("spec", "silos", 0, "name"), ("spec", "rounds"), ("spec", "local"),
    ("spec", "local", "batchSize"), ("spec", "local", "optimizer"), ("spec", "strategy"), ("spec", "privacy"),
    ("spec", "privacy", "epsilon"), ("spec", "privacy", "delta"), ("spec", "privacy", "maxGradNorm"),
    ("spec", "output"),
]  # fmt: skip
LEAVES = [path for path in REQUIRED if path not in {("metadata",), ("spec",)}]
MAPPINGS: list[tuple[str | int, ...]] = [
    (), ("spec",), ("spec", "task"), ("spec", "silos", 0), ("spec", "local"), ("spec", "local", "optimizer"),
    ("spec", "privacy"), ("spec", "strategy"),
]  # fmt: skip
WRONG = st.sampled_from(
    [None, "", -1, 0, float("nan"), float("inf"), "NaN", "-1", [], {}, True, [[]], 10**30, "\u0000"]
)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)


def reach(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


@st.composite
def malformed(draw: st.DrawFn) -> str:
    """A valid job with one fault: a field missing, a field unknown, or a value of the wrong kind."""
    job = copy.deepcopy(JOB)
    fault = draw(st.sampled_from(["missing", "unknown", "wrong"]))
    if fault == "missing":
        path = draw(st.sampled_from(REQUIRED))
        del reach(job, path[:-1])[path[-1]]
    elif fault == "unknown":
        mapping = reach(job, draw(st.sampled_from(MAPPINGS)))
        mapping["x" + draw(NAMES)] = draw(WRONG)
    else:
        path = draw(st.sampled_from(LEAVES))
        reach(job, path[:-1])[path[-1]] = draw(WRONG)
    return yaml.safe_dump(job)


def plan(text: bytes) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.yaml"
        path.write_bytes(text)
        return CliRunner().invoke(app, ["plan", str(path), "--json"], catch_exceptions=False)


def refused_in_one_line(done: Result) -> None:
    assert done.exit_code == 2
    assert done.stderr.startswith("ringfence: InvalidManifest: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.output
    assert json.loads(done.stdout)["error"]["reason"] == "InvalidManifest"


@given(malformed())
@settings(max_examples=200, deadline=None)
def test_a_job_with_a_fault_is_refused_in_one_line(text: str) -> None:
    refused_in_one_line(plan(text.encode()))


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=70, deadline=None)
def test_bytes_that_are_no_manifest_are_refused_in_one_line(data: bytes) -> None:
    refused_in_one_line(plan(data))


@given(st.lists(st.sampled_from("{}[]:,-&*!|>'\"%@`? \n\tabc"), max_size=40).map("".join))
@settings(max_examples=60, deadline=None)
def test_broken_yaml_is_refused_in_one_line(text: str) -> None:
    refused_in_one_line(plan(text.encode()))
