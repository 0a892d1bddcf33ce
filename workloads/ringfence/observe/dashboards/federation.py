"""Federation: where jobs and their silos stand, who straggles, and what the models learn."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import JOBS, Query, base, figure, lines, rows, variable

_JOB = "ringfence_federated_job"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return (
        base("Ringfence / Federation", "ringfence-federation", "Jobs, rounds, silos and learning curves.")
        .with_variable(variable("namespace", "Namespace", f"label_values({_JOB}_info, namespace)"))
        .with_variable(variable("job", "Job", f'label_values({_JOB}_info{{namespace=~"$namespace"}}, job)'))
        .with_panel(
            figure("Training", "Jobs whose rounds run.", Query(f'sum({_JOB}_phase{{{JOBS}, phase="Training"}})'))
        )
        .with_panel(
            figure("Waiting", "Jobs that wait for budget.", Query(f'sum({_JOB}_phase{{{JOBS}, phase="Waiting"}})'))
        )
        .with_panel(
            figure(
                "Silos lost",
                "Silos that are out of attempts; their jobs go on while the quorum holds.",
                Query(f'sum({_JOB}_silos{{{JOBS}, state="Lost"}}) or vector(0)'),
                limits=(0.5, 3),
            )
        )
        .with_panel(
            figure(
                "Failed",
                "Jobs that ended without a model and are still there.",
                Query(f'sum({_JOB}_phase{{{JOBS}, phase="Failed"}}) or vector(0)'),
                limits=(0.5, 3),
            )
        )
        .with_panel(
            lines(
                "Progress",
                "Committed rounds of those asked for.",
                Query(f"ringfence:federated_job_progress:ratio{{{JOBS}}}", "{{namespace}}/{{job}}"),
                unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "Learning curves",
                "Scores on rows that are public.",
                Query(f"{_JOB}_score{{{JOBS}}}", "{{job}} {{metric}}"),
            )
        )
        .with_panel(
            lines(
                "Privacy cost",
                "Each job's own epsilon over its committed rounds, composed.",
                Query(f"{_JOB}_epsilon{{{JOBS}}}", "{{namespace}}/{{job}}"),
            )
        )
        .with_panel(
            lines(
                "Silos by state",
                "How many silos are in each state.",
                Query(f"sum by (state) ({_JOB}_silos{{{JOBS}}})", "{{state}}"),
                stacked=True,
            )
        )
        .with_panel(
            rows(
                "Failed attempts",
                "Attempts of each silo that failed; preemption and eviction are none.",
                Query(f"{_JOB}_silo_failures{{{JOBS}}} > 0", instant=True),
            )
        )
    )
