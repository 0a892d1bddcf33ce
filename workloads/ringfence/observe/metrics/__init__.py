"""What Prometheus scrapes: names, labels and help of every series, and where their values come from.

Metrics are releases too. Nothing exported is computed from private rows: budgets and epsilons are composed values from
the ledger's mirror, progress is what the coordinator committed. Labels are names
of resources, silos and closed sets of words; none is a user, a record or a free text.
"""
