"""Pieces that all dashboards share: variables, links, queries and panels in one look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
BUDGETS = 'namespace=~"$namespace", budget=~"$budget"'
JOBS = 'namespace=~"$namespace", job=~"$job"'
GREEN, AMBER, RED = "green", "orange", "red"
Panel = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel


@dataclass(frozen=True)
class Query:
    """PromQL and what its lines are called."""

    expression: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Head:
    """What stands above a dashboard's panels: `choices` are (variable, label, PromQL of its values)."""

    title: str
    uid: str
    description: str
    choices: Sequence[tuple[str, str, str]] = ()


def page(head: Head, *panels: Panel) -> dashboard.Dashboard:
    """A dashboard of these panels, with the data source as a variable and links to its neighbours."""
    neighbours = (
        dashboard.DashboardLink("Ringfence")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["ringfence"])
        .as_dropdown(True)
    )
    built = (
        dashboard.Dashboard(f"Ringfence / {head.title}")
        .uid(f"ringfence-{head.uid}")
        .description(head.description)
        .tags(["ringfence"])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .link(neighbours.include_vars(True).keep_time(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for choice in head.choices:
        built = built.with_variable(_variable(*choice))
    for panel in panels:
        built = built.with_panel(panel)
    return built


def of_jobs() -> Sequence[tuple[str, str, str]]:
    """The choices of a dashboard about jobs: their namespaces, then the jobs in those."""
    return _within("ringfence_federated_job_info", "job", "Job")


def of_budgets() -> Sequence[tuple[str, str, str]]:
    """The choices of a dashboard about budgets."""
    return _within("ringfence_privacy_budget_epsilon_limit", "budget", "Budget")


def _within(series: str, name: str, label: str) -> Sequence[tuple[str, str, str]]:
    inner = f'{series}{{namespace=~"$namespace"}}'
    return (
        ("namespace", "Namespace", f"label_values({series}, namespace)"),
        (name, label, f"label_values({inner}, {name})"),
    )


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A choice among the values of a label, all of them by default."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .multi(True)
        .all_value(".*")
    )


def figure(
    title: str, description: str, query: Query, *, unit: str = "short", limits: tuple[float, float] | None = None
) -> stat.Panel:
    """One number; `limits` are where it turns amber and red, upward or downward by their order."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .thresholds(_thresholds(limits))
        .no_value("none")
        .height(4)
        .span(6)
        .with_target(_target(query))
    )


def lines(
    title: str, description: str, *queries: Query, unit: str = "short", span: int = 12, stacked: bool = False
) -> timeseries.Panel:
    """Values over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .fill_opacity(12)
        .line_width(2)
        .show_points(common.VisibilityMode.NEVER)
        .height(8)
        .span(span)
    )
    if stacked:
        panel = panel.stacking(StackingConfig().mode(common.StackingMode.NORMAL))
    for query in queries:
        panel = panel.with_target(_target(query))
    return panel


def bars(
    title: str, description: str, query: Query, *, unit: str = "short", limits: tuple[float, float] | None = None
) -> bargauge.Panel:
    """The newest value of each line as a bar."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .thresholds(_thresholds(limits))
        .height(8)
        .span(12)
        .with_target(_target(query))
    )


def rows(title: str, description: str, query: Query, span: int = 12) -> table.Panel:
    """The newest values as a table."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(8)
        .span(span)
        .with_target(_target(query).format(PromQueryFormat.TABLE))
    )


def _target(query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend or "__auto")
    return target.instant() if query.instant else target.range()


def _thresholds(limits: tuple[float, float] | None) -> dashboard.ThresholdsConfig:
    """Green, then amber and red past each limit; a first limit above the second turns red downward."""
    if limits is None:
        steps = [models.Threshold(value=None, color=GREEN)]
    elif limits[0] < limits[1]:
        amber, red = limits
        steps = [models.Threshold(None, GREEN), models.Threshold(amber, AMBER), models.Threshold(red, RED)]
    else:
        amber, red = limits
        steps = [models.Threshold(None, RED), models.Threshold(red, AMBER), models.Threshold(amber, GREEN)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
