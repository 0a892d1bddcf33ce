"""Throughput and cost: where the time of a round goes, what it moves, and what it used."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import JOBS, Head, Query, bars, figure, lines, of_jobs, page, rows

_ABOUT = "Where the time of a round goes, what it moves, and what it used."
_EXAMPLES = f"ringfence:silo_expected_examples:rate5m{{{JOBS}}}"
_BYTES = f"ringfence:coordinator_moved_bytes:rate5m{{{JOBS}}}"
_SILO = "{{job}} {{silo}}"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        Head("Throughput and cost", "throughput", _ABOUT, of_jobs()),
        figure(
            "Examples a second", "Planned examples of all silos; how many are drawn is secret.", Query(_sum(_EXAMPLES))
        ),
        figure("Moved", "Bytes a second of coordinators.", Query(_sum(_BYTES)), unit="Bps"),
        figure(
            "Processors in use",
            "Processor seconds a second of all silos' training.",
            Query(_sum(f"ringfence:silo_cpu:rate5m{{{JOBS}}}")),
        ),
        figure(
            "Longest time left",
            "Of the jobs that train, if they go on as now.",
            Query(f"max(ringfence:federated_job_left:seconds{{{JOBS}}}) or vector(0)"),
            unit="s",
        ),
        lines(
            "A round, by the coordinator",
            "Mean seconds of a round by part.",
            Query(f"avg by (part) (ringfence:coordinator_part_seconds:mean5m{{{JOBS}}})", "{{part}}"),
            unit="s",
            stacked=True,
        ),
        lines(
            "A round, by silos",
            "Mean seconds of a silo's round by part; training includes clipping and noise. Coarse, because how long a "
            "step took would tell how many records were drawn.",
            Query(f"avg by (part) (ringfence:silo_part_seconds:mean5m{{{JOBS}}})", "{{part}}"),
            unit="s",
            stacked=True,
        ),
        lines("Examples a second, by silo", "Planned examples: steps times batch.", Query(_EXAMPLES, _SILO)),
        lines(
            "Bytes",
            "Models sent and updates received by coordinators.",
            Query(_BYTES, "{{job}} {{direction}}"),
            unit="Bps",
        ),
        lines(
            "Who is waited for",
            "Mean seconds from a round's model to a silo's update, as the coordinator saw it.",
            Query(f"ringfence:coordinator_answer_seconds:mean5m{{{JOBS}}}", "{{job}} {{member}}"),
            unit="s",
        ),
        lines(
            "Rounds without a silo",
            "Committed rounds that a silo missed so far: late, lost, or sat out.",
            Query(_whole(f"ringfence_coordinator_missed_updates_total{{{JOBS}}}"), "{{job}} {{member}}"),
        ),
        lines(
            "Opening shards",
            "Sealed bytes a second while shards were fetched and opened.",
            Query(
                f"sum by (namespace, job, silo) (ringfence_silo_opened_bytes_total{{{JOBS}}}) / "
                f'sum by (namespace, job, silo) (ringfence_silo_part_seconds_sum{{{JOBS}, part="open"}} > 0)',
                _SILO,
            ),
            unit="Bps",
        ),
        lines(
            "Processors and GPUs",
            "Processors of silos' processes, and GPU use in percent of one as Ray reports it.",
            Query(f"ringfence:silo_cpu:rate5m{{{JOBS}}}", f"{_SILO} processors"),
            Query(f"sum by (job, silo) (ray_node_gpus_utilization{{{JOBS}}}) or vector(0)", f"{_SILO} GPU %"),
        ),
        bars(
            "What each silo used",
            "Processor seconds of attempts that have ended.",
            Query(f"ringfence_federated_job_cpu_seconds{{{JOBS}}}", _SILO, instant=True),
            unit="s",
        ),
        bars(
            "What each job moved",
            "Bytes of the coordinator so far; this outlives its pods.",
            Query(f"ringfence_federated_job_moved_bytes{{{JOBS}}}", "{{job}} {{direction}}", instant=True),
            unit="bytes",
        ),
        rows(
            "Where the time went",
            "Seconds by part: of coordinators so far, of silos' attempts that have ended.",
            Query(f"ringfence_federated_job_part_seconds{{{JOBS}}}", instant=True),
            span=24,
        ),
    )


def _whole(series: str) -> str:
    """A coordinator that was started again counts the whole job anew, from its commits: its pods are one series."""
    return f"max by (namespace, job, member) ({series})"


def _sum(series: str) -> str:
    return f"sum({series}) or vector(0)"
