"""Privacy: what each budget has left, how fast it goes, who spends it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from ringfence.observe.dashboards.parts import BUDGETS, Head, Query, bars, figure, lines, of_budgets, page, rows

_EPSILON = "ringfence_privacy_budget_epsilon"
_USED = f"(ringfence:privacy_budget_used:ratio{{{BUDGETS}}})"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        Head("Privacy", "privacy", "Budgets: what is spent, reserved and left, and who spends it.", of_budgets()),
        figure("Budgets", "PrivacyBudgets that are watched.", Query(f"count({_EPSILON}_limit{{{BUDGETS}}})")),
        figure(
            "Fullest budget",
            "Share of its limit that is spent or reserved, of the budget with the least room.",
            Query(f"max({_USED})"),
            unit="percentunit",
            limits=(0.8, 0.95),
        ),
        figure(
            "Ledgers closed for spending",
            "Budgets whose ledger is missing, tampered with, forked, rolled back or not ours.",
            Query(f"sum(1 - ringfence_privacy_budget_ready{{{BUDGETS}}}) or vector(0)"),
            limits=(0.5, 1),
        ),
        figure(
            "Jobs waiting for room",
            "Jobs that fit only once another job gives back what it holds.",
            Query(f"sum(ringfence_privacy_budget_waiting{{{BUDGETS}}})"),
            limits=(1, 5),
        ),
        bars(
            "Share of the limit used",
            "Spent and reserved epsilon by the limit. Epsilons compose; shares of jobs do not add up.",
            Query(_USED, "{{namespace}}/{{budget}}", instant=True),
            unit="percentunit",
            limits=(0.8, 0.95),
        ),
        bars(
            "Jobs left",
            "How many more jobs like the newest one would be admitted.",
            Query(f"ringfence_privacy_budget_typical_jobs_left{{{BUDGETS}}}", "{{namespace}}/{{budget}}", instant=True),
            limits=(3, 1),
        ),
        lines(
            "Burn-down",
            "Epsilon between each limit and what is spent and reserved.",
            Query(f"{_EPSILON}_remaining{{{BUDGETS}}}", "{{namespace}}/{{budget}}"),
        ),
        lines(
            "Spent, reserved, limit",
            "Composed epsilon of everything charged, against the owner's limit.",
            Query(f"{_EPSILON}_spent{{{BUDGETS}}}", "{{namespace}}/{{budget}} spent"),
            Query(f"{_EPSILON}_reserved{{{BUDGETS}}}", "{{namespace}}/{{budget}} reserved"),
            Query(f"{_EPSILON}_limit{{{BUDGETS}}}", "{{namespace}}/{{budget}} limit"),
        ),
        lines(
            "Runway",
            "Days until the budget is gone if it is spent as in the last seven days.",
            Query(f"ringfence:privacy_budget_runway:days{{{BUDGETS}}}", "{{namespace}}/{{budget}}"),
            unit="d",
        ),
        lines(
            "Answers to reservations",
            "What ledgers answered, a minute: Reserved, or why not.",
            Query("sum by (result) (rate(ringfence_controller_reservations_total[5m])) * 60", "{{result}}"),
        ),
        rows(
            "Who spends",
            "Rounds that each of the newest jobs charged.",
            Query(f"ringfence_privacy_budget_charged_rounds{{{BUDGETS}}}", instant=True),
            span=24,
        ),
    )
