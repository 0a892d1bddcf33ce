"""Operator: whether it leads, keeps up, and hears of everything."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import Query, base, figure, lines

_OURS = "ringfence_controller"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return (
        base("Ringfence / Operator", "ringfence-operator", "Leadership, queue, turns of the loop, ledgers.")
        .with_panel(figure("Leaders", "Exactly one replica leads.", Query(f"sum({_OURS}_leader)"), limits=(1, 0.5)))
        .with_panel(
            figure("Queue", "Keys that wait.", Query(f"sum({_OURS}_queue_depth)"), limits=(100, 1000)),
        )
        .with_panel(
            figure(
                "Last full list",
                "Seconds since the last full list, on the replica where it is oldest.",
                Query(f"max({_OURS}_resync_age_seconds)"),
                unit="s",
                limits=(900, 1800),
            )
        )
        .with_panel(
            figure(
                "Errors",
                "Turns of the loop that ended in an error, a minute.",
                Query(f'sum(rate({_OURS}_reconciles_total{{result="error"}}[5m])) * 60 or vector(0)'),
                limits=(1, 10),
            )
        )
        .with_panel(
            lines(
                "Turns",
                "Turns of the loop a second, by kind and result.",
                Query(f"sum by (kind, result) (rate({_OURS}_reconciles_total[5m]))", "{{kind}} {{result}}"),
            )
        )
        .with_panel(
            lines(
                "Seconds a turn",
                "Median and 95th percentile.",
                Query(_quantile(0.5, "reconcile_seconds"), "median"),
                Query(_quantile(0.95, "reconcile_seconds"), "95 %"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Seconds in the queue",
                "Median and 95th percentile.",
                Query(_quantile(0.5, "queue_seconds"), "median"),
                Query(_quantile(0.95, "queue_seconds"), "95 %"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Seconds to reserve",
                "Median and 95th percentile of reserving a job in all its ledgers.",
                Query(_quantile(0.5, "reserve_seconds"), "median"),
                Query(_quantile(0.95, "reserve_seconds"), "95 %"),
                unit="s",
            )
        )
    )


def _quantile(quantile: float, name: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({_OURS}_{name}_bucket[5m])))"
