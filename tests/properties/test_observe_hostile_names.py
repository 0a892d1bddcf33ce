"""Whatever names, notes and texts a statement carries, they stay text: in page, card and signed bytes."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "unit" / "statement"))
sys.path.insert(0, str(TESTS / "unit" / "observe"))

from page_reading import Page  # noqa: E402
from statement_samples import digest, privacy, rounds, sample, signed, silo  # noqa: E402

from ringfence.observe.card import card  # noqa: E402
from ringfence.observe.report import render  # noqa: E402
from ringfence.privacy.statement import RoundFacts, StatementFacts, dump, facts, read  # noqa: E402

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=https://evil.example/x onerror=alert(1)>',
    "' onload='alert(1)",
    "</style><style>body{background:url(//evil.example)}",
    "</title><link rel=stylesheet href=//evil.example>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "]]><svg onload=alert(1)>",
    "[click](javascript:alert(1)) ![x](https://evil.example/x)",
    "`code` | cell | **bold** <b>b</b>",
    "---\nlicense: mit",
    "\n# Heading\n\n<script src=//evil.example></script>",
    "https://evil.example www.evil.example me@evil.example",
    "&lt;script&gt;",
]
TEXTS = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.lists(st.sampled_from(ATTACKS), min_size=2, max_size=3).map("".join),
)
PLAIN_ELEMENTS = {name for name, _ in Page(render(signed(), rounds(), "title")).elements}


def hostile(texts: list[str]) -> StatementFacts:
    name, namespace, place, approver, metric, other = texts
    job = replace(sample().job, name=name, namespace=namespace, task=place, image=other, uid=approver)
    silos = (
        silo(name + "1", dataset=place, url=other, privacy=privacy(approved_by=approver)),
        silo(namespace + "2", url=place, privacy=None),
    )
    commits = (RoundFacts(round=1, members=(silos[0].name,), model=digest("e")),)
    return sample(job=job, silos=silos, rounds=commits, metrics={metric: "0.5"})


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=6, max_size=6))
def test_no_name_becomes_markup_in_the_page(texts: list[str]) -> None:
    name = texts[0]
    history = rounds(3)
    history[0]["members"] = texts
    history[0]["metrics"] = history[2]["metrics"] = {texts[4]: "0.5"}
    page = Page(render(signed(hostile(texts)), history, name))
    assert page.references() == []
    assert {element for element, _ in page.elements} <= PLAIN_ELEMENTS
    assert not any(text in value for text in ATTACKS for _, found in page.elements for value in found.values())
    if name in ATTACKS:
        assert " ".join(name.split()) in page.text


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=6, max_size=6))
def test_no_name_becomes_markup_in_the_card(texts: list[str]) -> None:
    plain = card(signed(), {"auc": "0.5"})
    text = card(signed(hostile(texts)), {texts[4]: "0.5"})
    _, front, body = re.split(r"^---\n", text, maxsplit=2, flags=re.MULTILINE)
    assert set(yaml.safe_load(front)) <= {"library_name", "license", "tags", "metrics", "model-index", "pipeline_tag"}
    assert yaml.safe_load(front)["license"] == "unknown"
    assert yaml.safe_load(front)["model-index"][0]["name"] == texts[0]
    assert "<" not in body and "`" not in re.sub(r"\\`", "", body) and "](" not in body.replace("\\](", "")
    assert not re.search(r"(?i)(https?|ftp):|www\.|@", body)
    assert headings(body) <= headings(plain) | {f"# {line}" for line in [body.strip().splitlines()[0][2:]]} | {
        "## No privacy guarantee"
    }
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in body.splitlines() if line.startswith("|")}
    assert cells == {8}


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=6, max_size=6))
def test_any_text_survives_signing_and_reading(texts: list[str]) -> None:
    stated = hostile(texts)
    assert facts(read(dump(signed(stated)), "here")) == stated


def headings(markdown: str) -> set[str]:
    return {line for line in markdown.splitlines() if line.startswith("#")}
