"""Federation: where jobs and their silos stand, who straggles, and what the models learn."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import JOBS, Head, Query, figure, lines, of_jobs, page, rows

_JOB = "ringfence_federated_job"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        Head("Federation", "federation", "Jobs, rounds, silos and learning curves.", of_jobs()),
        figure(
            "Training", "Jobs whose rounds run.", Query(f'sum({_JOB}_phase{{{JOBS}, phase="Training"}}) or vector(0)')
        ),
        figure(
            "Waiting", "Jobs that wait for budget.", Query(f'sum({_JOB}_phase{{{JOBS}, phase="Waiting"}}) or vector(0)')
        ),
        figure(
            "Silos lost",
            "Silos that are out of attempts; their jobs go on while the quorum holds.",
            Query(f'sum({_JOB}_silos{{{JOBS}, state="Lost"}}) or vector(0)'),
            limits=(0.5, 3),
        ),
        figure(
            "Failed",
            "Jobs that ended without a model and are still there.",
            Query(f'sum({_JOB}_phase{{{JOBS}, phase="Failed"}}) or vector(0)'),
            limits=(0.5, 3),
        ),
        lines(
            "Progress",
            "Committed rounds of those asked for.",
            Query(f"ringfence:federated_job_progress:ratio{{{JOBS}}}", "{{namespace}}/{{job}}"),
            unit="percentunit",
        ),
        lines(
            "Learning curves",
            "Scores on rows that are public.",
            Query(f"{_JOB}_score{{{JOBS}}}", "{{job}} {{metric}}"),
        ),
        lines(
            "Privacy cost",
            "Each job's own epsilon over its committed rounds, composed.",
            Query(f"{_JOB}_epsilon{{{JOBS}}}", "{{namespace}}/{{job}}"),
        ),
        lines(
            "Silos by state",
            "How many silos are in each state.",
            Query(f"sum by (state) ({_JOB}_silos{{{JOBS}}})", "{{state}}"),
            stacked=True,
        ),
        rows(
            "Failed attempts",
            "Attempts of each silo that failed; preemption and eviction are none.",
            Query(f"{_JOB}_silo_failures{{{JOBS}}} > 0", instant=True),
        ),
    )
