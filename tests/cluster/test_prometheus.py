"""A real Prometheus with the chart's own monitors and rules, while a job trains: every panel has data, and the figures
are the ledger's."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster.stage import Stage
from cluster.watched import Watched
from support import panel_page, prometheus_server
from support.monitors import monitors
from support.prometheus_server import Prometheus

from ringfence.demo import jobs
from ringfence.demo.flights import AIRPORTS
from ringfence.spec.load import parse_document

MISSING = prometheus_server.missing()
pytestmark = [pytest.mark.local, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

# What is empty where all is well: silos that failed.
MAY_BE_EMPTY = {'ringfence_federated_job_silo_failures{namespace=~".*", job=~".*"} > 0'}
NAME = "watched-by-prometheus"


@pytest.fixture(scope="module")
def prometheus(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    pods = folder / "pods.json"
    with (
        pods_told(stage, pods),
        prometheus_server.running(folder, prometheus_server.of_monitors(monitors(), pods)) as one,
    ):
        yield one


@contextmanager
def pods_told(stage: Stage, path: Path) -> Iterator[None]:
    """Prometheus is told every second which pods there are."""
    over = threading.Event()

    def tell() -> None:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(prometheus_server.targets(stage.cluster.items("-A", "pods"))))
        beside.replace(path)

    def keep_telling() -> None:
        while not over.wait(1):
            tell()

    tell()
    thread = threading.Thread(target=keep_telling, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def queries() -> set[str]:
    return {query for panel in prometheus_server.panels() for query, _ in panel.queries}


@pytest.fixture(scope="module")
def seen(stage: Stage, prometheus: Prometheus) -> set[str]:
    """The queries and rules that returned data while a job trained and shortly after; any error fails."""
    document = jobs.federated().model_dump(mode="json", by_alias=True, exclude_none=True)
    document["metadata"]["name"] = NAME
    document["spec"]["privacy"]["epsilon"] = "0.3"
    job = Watched.apply(stage.cluster, stage.job(parse_document(document, "job")), NAME)
    every = queries() | set(prometheus_server.rules())
    found: set[str] = set()
    job.wait("the job ends", lambda: found.update(q for q in every - found if prometheus.query(q)) or job.ended(), 900)
    assert job.condition("Complete").get("status") == "True", job.story()
    end = time.monotonic() + 120  # the ledgers' mirror follows
    while every - found - MAY_BE_EMPTY and time.monotonic() < end:
        found.update(q for q in every - found if prometheus.query(q))
        time.sleep(1)
    return found


def test_every_query_of_every_panel_and_every_rule_has_data_and_none_an_error(seen, prometheus):
    assert queries() | set(prometheus_server.rules()) == seen | MAY_BE_EMPTY
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert rules and all(rule["health"] == "ok" for rule in rules), [r for r in rules if r["health"] != "ok"]


def test_spent_epsilon_is_what_budget_show_says(seen, stage, prometheus):
    for airport in AIRPORTS:
        told = json.loads(stage.run("budget", "show", jobs.private_url(airport), "--json"))
        (sample,) = prometheus.query(f'ringfence_privacy_budget_epsilon_spent{{namespace="{airport}"}}')
        assert float(sample["value"][1]) == pytest.approx(float(told["spent"]), abs=1e-6)


def test_each_pods_series_carry_the_labels_that_the_operator_wrote(seen, prometheus):
    of = f'namespace="{jobs.TEAM}", job="{NAME}"'
    silos = {one["metric"]["silo"] for one in prometheus.over(f"ringfence_silo_rounds_total{{{of}}}", 600)}
    assert silos == set(AIRPORTS)
    (own,) = {one["metric"]["silo"] for one in prometheus.over(f"ringfence_coordinator_rounds_total{{{of}}}", 600)}
    assert own == "coordinator"
    assert prometheus.over(f"ray_node_cpu_utilization{{{of}}}", 600), "Ray's own metrics are not scraped"


def test_pictures_of_the_dashboards(seen, prometheus):
    """Written where RINGFENCE_PICTURES says."""
    if not (folder := os.environ.get("RINGFENCE_PICTURES")) or not panel_page.browser():
        pytest.skip("RINGFENCE_PICTURES names no folder, or there is no chromium")
    for name in sorted({panel.dashboard for panel in prometheus_server.panels()}):
        panel_page.picture(prometheus, name, Path(folder) / f"dashboard-{name}.png", seconds=600)
