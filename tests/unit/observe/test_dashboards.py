"""Dashboards are current, and every series that a panel asks for is one that somebody exports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from ringfence.generated import differences
from ringfence.observe.dashboards.__main__ import render
from ringfence.observe.metrics.budgets import series as budget_series
from ringfence.observe.metrics.controller import ControllerMetrics
from ringfence.observe.metrics.jobs import series as job_series
from ringfence.observe.metrics.workload import coordinator_series, silo_series

CHART = Path(__file__).parents[3] / "charts/ringfence"
_NAME = re.compile(r"\bringfence[a-z0-9_:]+")


def exported() -> set[str]:
    """Every name that a scrape can show."""
    registry = CollectorRegistry()
    ControllerMetrics(registry)
    pods = [*silo_series({}), *coordinator_series({}, {})]
    families = [*registry.collect(), *budget_series([]), *job_series([]), *pods]
    endings = {"counter": ("_total",), "histogram": ("_sum", "_count", "_bucket"), "gauge": ("",)}
    endings["summary"] = ("_sum", "_count")
    return {family.name + ending for family in families for ending in endings[family.type]}


def recorded() -> dict[str, str]:
    groups = yaml.safe_load((CHART / "rules/recording.yaml").read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def expressions() -> list[str]:
    panels = [panel for text in render().values() for panel in json.loads(text)["panels"]]
    alerts = yaml.safe_load((CHART / "rules/alerts.yaml").read_text())["groups"]
    return [
        *(target["expr"] for panel in panels for target in panel["targets"]),
        *(rule["expr"] for group in alerts for rule in group["rules"]),
        *recorded().values(),
    ]


def test_no_panel_alert_or_rule_asks_for_a_series_that_nobody_exports():
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert asked - exported() - recorded().keys() == set()


def test_every_series_is_asked_for_by_something_or_is_plain_information():
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    variables = {
        name for text in render().values() for name in _NAME.findall(json.dumps(json.loads(text)["templating"]))
    }
    silent = {name for name in exported() - asked - variables if not name.endswith(("_sum", "_count", "_bucket"))}
    assert silent == {
        "ringfence_coordinator_rounds_total",
        "ringfence_coordinator_updates_total",
        "ringfence_federated_job_expected_examples",
        "ringfence_privacy_budget_shards",
        "ringfence_silo_opened_shards_total",
        "ringfence_silo_rounds_total",
    }


def test_committed_dashboards_are_what_the_code_makes():
    assert differences(render(), CHART / "dashboards") == []


@pytest.mark.parametrize("name", sorted(render()))
def test_every_panel_says_what_it_shows(name):
    dashboard = json.loads(render()[name])
    assert dashboard["uid"].startswith("ringfence-") and dashboard["description"]
    assert all(panel["title"] and panel["description"].endswith(".") for panel in dashboard["panels"])
