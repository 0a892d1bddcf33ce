"""Throughput and cost: where the time of a round goes, examples and bytes a second, processors and GPUs."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import JOBS, Query, base, lines, variable

_JOB = "ringfence_federated_job_info"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return (
        base("Ringfence / Throughput", "ringfence-throughput", "Where the time of a round goes, and what it moves.")
        .with_variable(variable("namespace", "Namespace", f"label_values({_JOB}, namespace)"))
        .with_variable(variable("job", "Job", f'label_values({_JOB}{{namespace=~"$namespace"}}, job)'))
        .with_panel(
            lines(
                "Round, coordinator's side",
                "Mean seconds of a round by part.",
                Query(_mean("ringfence_coordinator_round_seconds", "part"), "{{part}}"),
                unit="s",
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Round, silos' side",
                "Mean seconds of a silo's round by part.",
                Query(_mean("ringfence_silo_round_seconds", "part"), "{{part}}"),
                unit="s",
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Examples a second",
                "Expected examples trained on, by silo. How many were drawn is secret and is not shown.",
                Query(
                    f"sum by (job, silo) (rate(ringfence_silo_expected_examples_total{{{_PODS}}}[5m]))",
                    "{{job}} {{silo}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Sealed bytes",
                "Models sent and updates received by coordinators.",
                Query(f"sum by (direction) (rate(ringfence_coordinator_bytes_total{{{JOBS}}}[5m]))", "{{direction}}"),
                unit="Bps",
            )
        )
        .with_panel(
            lines(
                "Opening shards",
                "Seconds that fetching and opening took at the start of each silo's attempt.",
                Query(f"ringfence_silo_opening_seconds{{{_PODS}}}", "{{job}} {{silo}}"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Processors and GPUs",
                "Use as Ray reports it for the nodes of each silo.",
                Query(f"sum by (silo) (ray_node_cpu_utilization{{{_PODS}}})", "{{silo}} CPU %"),
                Query(f"sum by (silo) (ray_node_gpus_utilization{{{_PODS}}})", "{{silo}} GPU %"),
                unit="percent",
            )
        )
    )


# Pods of silos live in the silos' namespaces: they are chosen by job alone.
_PODS = 'job=~"$job"'


def _mean(name: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}_sum{{{_PODS}}}[5m])) / sum by ({by}) (rate({name}_count{{{_PODS}}}[5m]))"
