"""The model card claims only what its statement says, in front matter that parses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "statement"))

from statement_samples import public_only, sample, signed

from ringfence.observe.card import card


def front_matter(text: str) -> dict[str, Any]:
    opening, front, _ = text.split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(front)


def test_the_front_matter_parses_and_holds_the_metrics_digits() -> None:
    text = card(signed(), {"auc": "0.724518", "loss": "1"})
    front = front_matter(text)
    assert front["library_name"] == "ringfence"
    assert front["license"] == "unknown"
    assert front["tags"] == ["ringfence", "federated-learning", "differential-privacy"]
    assert front["pipeline_tag"] == "tabular-classification"
    assert front["metrics"] == ["roc_auc", "loss"]
    result = front["model-index"][0]["results"][0]
    assert result["task"] == {"type": "tabular-classification"} and set(result["dataset"]) == {"type", "name"}
    assert [metric["value"] for metric in result["metrics"]] == [0.724518, 1.0]
    assert "value: 0.724518\n" in text


def test_public_data_is_not_tagged_as_private() -> None:
    text = card(signed(public_only()), {})
    assert front_matter(text)["tags"] == ["ringfence", "federated-learning"]
    assert "model-index" not in front_matter(text)
    assert "**No privacy guarantee is made" in text and "differential privacy" not in text


def test_a_task_of_ones_own_claims_no_pipeline() -> None:
    own = sample(job=replace(sample().job, task="readmit:Readmission", code="sha256:" + "9" * 64))
    front = front_matter(card(signed(own), {"auc": "0.7"}))
    assert "pipeline_tag" not in front
    assert front["model-index"][0]["results"][0]["task"] == {"type": "other"}


def test_the_card_carries_the_statement() -> None:
    text = card(signed(), {"auc": "0.724518"})
    assert "that person has epsilon at most 1.649 at delta 0.000002" in text
    assert "| mercy | 9100 | 1.988 | 0.000001 | 1.802 | 2.305 | 8 |" in text
    assert "| openclinic (public) | 9100 | no guarantee |" in text
