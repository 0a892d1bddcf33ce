"""Operator: whether it leads, keeps up, and hears of everything."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import Head, Panel, Query, figure, lines, page

_OURS = "ringfence_controller"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        Head("Operator", "operator", "Leadership, queue, turns of the loop, ledgers."),
        figure("Leaders", "Exactly one replica leads.", Query(f"sum({_OURS}_leader)"), limits=(1, 0.5)),
        figure("Queue", "Keys that wait.", Query(f"sum({_OURS}_queue_depth)"), limits=(100, 1000)),
        figure(
            "Last full list",
            "Seconds since the last full list, on the replica where it is oldest.",
            Query(f"max({_OURS}_resync_age_seconds)"),
            unit="s",
            limits=(900, 1800),
        ),
        figure(
            "Errors",
            "Turns of the loop that ended in an error, a minute.",
            Query(f'sum(rate({_OURS}_reconciles_total{{result="error"}}[5m])) * 60 or vector(0)'),
            limits=(1, 10),
        ),
        lines(
            "Turns",
            "Turns of the loop a second, by kind and result.",
            Query(f"sum by (kind, result) (rate({_OURS}_reconciles_total[5m]))", "{{kind}} {{result}}"),
        ),
        _percentiles("Seconds a turn", "One turn of the loop, its writes included", "reconcile_seconds"),
        _percentiles("Seconds in the queue", "Waiting for a turn", "queue_seconds"),
        _percentiles("Seconds to reserve", "Reserving a job in all its ledgers", "reserve_seconds"),
    )


def _percentiles(title: str, what: str, name: str) -> Panel:
    return lines(
        title,
        f"{what}: median and 95th percentile.",
        Query(_quantile(0.5, name), "median"),
        Query(_quantile(0.95, name), "95 %"),
        unit="s",
    )


def _quantile(quantile: float, name: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({_OURS}_{name}_bucket[5m])))"
