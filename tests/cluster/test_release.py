"""The end of a Helm release and its return under another name: what must stay, and that budgets are adopted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from cluster.ledgers import Buckets
from cluster.release import SYSTEM
from cluster.watched import Watched

from ringfence.demo import jobs
from ringfence.demo.flights import AIRPORTS
from ringfence_operator.controller.identity import NAME

pytestmark = pytest.mark.local


def test_uninstalled_and_installed_again_under_another_name_the_budgets_are_as_they_were(stage):
    cluster, buckets = stage.cluster, Buckets.of(stage.cluster)
    writer, entries = stage.writer, {airport: buckets.entries(airport) for airport in AIRPORTS}
    spent = {airport: figures(cluster, airport) for airport in AIRPORTS}
    stage.release.uninstall()
    until("its pods are gone", lambda: not cluster.items("-n", SYSTEM, "pods", "-l", f"app.kubernetes.io/name={NAME}"))
    assert len(cluster.items("crd", "federatedjobs.ringfence.dev", "privacybudgets.ringfence.dev")) == 2
    assert cluster.get("-n", SYSTEM, "secret", NAME)["data"]
    assert {airport: figures(cluster, airport) for airport in AIRPORTS} == spent
    assert {airport: buckets.entries(airport) for airport in AIRPORTS} == entries
    other = replace(stage.release, name="another")
    with pytest.raises(AssertionError, match="invalid ownership metadata"):
        other.install()
    other.install(options=("--take-ownership",))
    assert cluster.get("-n", SYSTEM, "configmap", NAME)["data"]["writer"] == writer
    assert "FAIL" not in other.test()
    adopted(stage)
    assert {airport: figures(cluster, airport) for airport in AIRPORTS} == spent


def adopted(stage) -> None:
    """A job reserves in every ledger; deleted, it gives everything back."""
    job = Watched.apply(stage.cluster, stage.job(jobs.federated("0.3", "after")), "after")
    job.wait("reserved", lambda: job.condition("BudgetReserved").get("status") == "True", 300)
    stage.cluster.kubectl("-n", jobs.TEAM, "delete", "federatedjob", "after", "--timeout=300s")
    until("given back", lambda: not any(float(figures(stage.cluster, one)["reserved"]) for one in AIRPORTS))


def until(what: str, holds: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(1)


def figures(cluster, airport: str) -> dict[str, str]:
    status = cluster.get("-n", airport, "privacybudget", jobs.BUDGET)["status"]
    return {name: status[name] for name in ("limit", "spent", "reserved")}
