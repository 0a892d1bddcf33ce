"""The Hugging Face model card (README.md) of a trained model, made from its statement.

Front matter holds only fields that follow from the statement: the licence of a model is not ours to choose, so it is
`unknown` until its owners say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml

from ringfence.observe import templates
from ringfence.privacy import statement as statements
from ringfence.privacy.statement import StatementFacts, figures

_METRIC_TYPES = {"auc": "roc_auc"}  # the Hub's name where it differs from ours
_PIPELINES = {"ringfence.tasks:TabularClassifier": "tabular-classification"}


class _FrontMatter(yaml.SafeDumper):
    """Writes a Decimal as a plain number with exactly its digits, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = f"{value:f}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text + ".0")


_FrontMatter.add_representer(Decimal, _decimal)


def card(statement: Mapping[str, Any], metrics: Mapping[str, str]) -> str:
    """The card: YAML front matter, then Markdown with the statement in plain words; everything in it is escaped.

    `metrics` are the final ones, decimal strings, measured on a hold-out declared public; {} when there were none.
    Raises InvalidInput when `statement` is not one.
    """
    facts = statements.facts(statement)
    front = yaml.dump(_front_matter(facts, metrics), Dumper=_FrontMatter, sort_keys=False, allow_unicode=False)
    body = templates.markdown_page(
        "card.md.jinja",
        facts=facts,
        metrics=metrics,
        sections=statements.words(statement),
        figures=figures,
    )
    return f"---\n{front}---\n\n{body}\n"


def _front_matter(facts: StatementFacts, metrics: Mapping[str, str]) -> dict[str, Any]:
    pipeline = _PIPELINES.get(facts.job.task)
    tags = ["ringfence", "federated-learning", *(["differential-privacy"] if facts.private() else [])]
    front: dict[str, Any] = {"library_name": "ringfence", "license": "unknown", "tags": tags}
    if pipeline is not None:
        front["pipeline_tag"] = pipeline
    if metrics:
        front["metrics"] = [_METRIC_TYPES.get(name, name) for name in metrics]
        front["model-index"] = [{"name": facts.job.name, "results": [_result(pipeline or "other", metrics)]}]
    return front


def _result(task: str, metrics: Mapping[str, str]) -> dict[str, Any]:
    return {
        "task": {"type": task},
        "dataset": {"type": "other", "name": "hold-out declared public by its owner"},
        "metrics": [
            {"type": _METRIC_TYPES.get(name, name), "name": name, "value": Decimal(value)}
            for name, value in metrics.items()
        ],
    }
