"""A real Prometheus (Debian's package) that scrapes as the chart's PodMonitors say, and evaluates the chart's rules.

Debian builds it without discovery of pods: `targets` says of pods, in a file that Prometheus reads again whenever it
changes, what that discovery says.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support.ports import free_port

CHART = Path(__file__).parents[2] / "charts/ringfence"
_SECONDS = 2
_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")


def missing() -> str:
    return "" if shutil.which("prometheus") else "prometheus is not installed: apt-get install prometheus"


def rules() -> dict[str, str]:
    """The chart's recording rules: name -> expression."""
    groups = yaml.safe_load((CHART / "rules/recording.yaml").read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard and its queries as (PromQL with every choice made for all, legend)."""

    dashboard: str
    title: str
    kind: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    width: int


def panels() -> list[Panel]:
    """Every panel of the chart's dashboards."""
    found = []
    for path in sorted((CHART / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            queries = tuple((chosen(one["expr"]), one["legendFormat"]) for one in panel["targets"])
            unit = panel["fieldConfig"]["defaults"].get("unit", "short")
            found.append(Panel(path.stem, panel["title"], panel["type"], unit, queries, panel["gridPos"]["w"]))
    return found


def chosen(expression: str) -> str:
    """A panel's PromQL with `All` in every variable."""
    for name in ("namespace", "job", "budget"):
        expression = expression.replace(f"${name}", ".*")
    return expression


def of_monitors(monitors: list[dict[str, Any]], pods: Path) -> list[dict[str, Any]]:
    """The scrape configuration that the Prometheus Operator makes of PodMonitors: pods by their labels and namespaces,
    ports by name, its own labels first. `pods` is the file of `targets`."""
    found = []
    for monitor in monitors:
        spec = monitor["spec"]
        chosen_names = spec.get("namespaceSelector", {}).get("matchNames", [monitor["metadata"]["namespace"]])
        anywhere = spec.get("namespaceSelector", {}).get("any", False)
        for number, endpoint in enumerate(spec["podMetricsEndpoints"]):
            found.append(
                {
                    "job_name": f"{monitor['metadata']['name']}/{number}",
                    "honor_labels": endpoint.get("honorLabels", False),
                    "sample_limit": spec.get("sampleLimit", 0),
                    "file_sd_configs": [{"files": [str(pods)]}],
                    "relabel_configs": [
                        *([] if anywhere else [_keep("__meta_kubernetes_namespace", *chosen_names)]),
                        *_selected(spec["selector"]),
                        _keep("__meta_kubernetes_pod_container_port_name", endpoint["port"]),
                        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
                        *map(_snake, endpoint.get("relabelings", ())),
                    ],
                    "metric_relabel_configs": [_snake(one) for one in endpoint.get("metricRelabelings", ())],
                }
            )
    return found


def targets(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every port of pods that run (as the API server has them), with the labels that Prometheus finds pods by."""
    found = []
    for pod in pods:
        metadata, address = pod["metadata"], pod.get("status", {}).get("podIP")
        if not address or pod["status"].get("phase") != "Running":
            continue
        labels = {"__meta_kubernetes_namespace": metadata["namespace"], "__meta_kubernetes_pod_name": metadata["name"]}
        for key, value in metadata.get("labels", {}).items():
            plain = _LABEL.sub("_", key)
            labels |= {
                f"__meta_kubernetes_pod_label_{plain}": value,
                f"__meta_kubernetes_pod_labelpresent_{plain}": "true",
            }
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                of = {**labels, "__meta_kubernetes_pod_container_port_name": port.get("name", "")}
                found.append({"targets": [f"{address}:{port['containerPort']}"], "labels": of})
    return found


def _selected(selector: dict[str, Any]) -> list[dict[str, Any]]:
    of = "__meta_kubernetes_pod_label"
    found = [_keep(f"{of}_{_LABEL.sub('_', key)}", value) for key, value in selector.get("matchLabels", {}).items()]
    for one in selector.get("matchExpressions", ()):
        assert one["operator"] == "Exists"
        found.append(_keep(f"{of}present_{_LABEL.sub('_', one['key'])}", "true"))
    return found


def _keep(label: str, *values: str) -> dict[str, Any]:
    return {"source_labels": [label], "regex": "|".join(map(re.escape, values)), "action": "keep"}


def _snake(rule: dict[str, Any]) -> dict[str, Any]:
    return {_SNAKE.sub("_", key).lower(): value for key, value in rule.items()}


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's samples. Raises AssertionError with Prometheus' words for an error."""
        return self._ask("query", query=expression)["result"]

    def over(self, expression: str, seconds: float, step: float = 2) -> list[dict[str, Any]]:
        """A range query's series over the last so many seconds."""
        end = time.time()
        return self._ask("query_range", query=expression, start=end - seconds, end=end, step=step)["result"]

    def ask(self, path: str) -> dict[str, Any]:
        return self._ask(path)

    def _ask(self, path: str, **parameters: object) -> dict[str, Any]:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.loads(error.read())
        assert found["status"] == "success", f"{parameters}: {found.get('error')}"
        return found["data"]


@contextmanager
def running(folder: Path, scrapes: list[dict[str, Any]]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes every two seconds and keeps what it sees in `folder`."""
    port = free_port()
    config = {
        "global": {"scrape_interval": f"{_SECONDS}s", "evaluation_interval": f"{_SECONDS}s"},
        "rule_files": [str(CHART / "rules" / name) for name in ("recording.yaml", "alerts.yaml")],
        "scrape_configs": scrapes,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _until(lambda: _ready(port), process, folder / "log")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if ready():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not start: {log.read_text()}")
