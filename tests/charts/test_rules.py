"""Alerts fire and rules record as they should, by promtool; every alert has a test and a runbook section."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/ringfence/rules"
ALERTS = [rule for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", ["alerts", "recording"])
def test_rules_do_as_told(name):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", f"{name}_test.yaml"],
        cwd=RULES / "tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested():
    tests = yaml.safe_load((RULES / "tests/alerts_test.yaml").read_text())["tests"]
    fired = {test["alertname"] for one in tests for test in one.get("alert_rule_test", ()) if test["exp_alerts"]}
    assert fired == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_every_alert_has_a_runbook_section(alert):
    rule = next(rule for rule in ALERTS if rule["alert"] == alert)
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = [line.lstrip("# ").lower() for line in (ROOT / page).read_text().splitlines() if line.startswith("#")]
    assert anchor == alert.lower() and anchor in headings
