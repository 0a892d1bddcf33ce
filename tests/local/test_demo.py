"""The README's first command: a whole story on real data, and every claim that it makes."""

from __future__ import annotations

import json
import re

import pytest
from support.commands import ringfence

from ringfence.privacy import statement
from ringfence.store.open import Stores


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    done = ringfence(root, "demo", "--dir", root / "story", "--json")
    assert done.returncode == 0, done.stderr
    return root / "story", json.loads(done.stdout)


def test_private_federation_beats_every_airport_alone_and_costs_little(story):
    _, told = story
    scores = {arm["name"]: float(arm["auc"]) for arm in told["arms"] if "no privacy" in arm["data"]}
    private = next(float(arm["auc"]) for arm in told["arms"] if "epsilon" in arm["data"])
    alone = [scores[f"{airport} alone"] for airport in ("EWR", "JFK", "LGA")]
    assert private > max(alone)
    assert abs(scores["all federated"] - private) <= 0.015
    assert all("--public" in arm["data"] for arm in told["arms"] if "epsilon" not in arm["data"])


def test_the_greedy_job_is_refused_in_one_line(story):
    _, told = story
    assert told["held"] and told["refusal"].startswith("BudgetExhausted: silo ewr, dataset s3://ewr/flights: ")
    assert "\n" not in told["refusal"]


def test_plan_charges_and_statement_agree_exactly(story):
    folder, told = story
    document = statement.read(Stores(folder / "store").open(told["output"]).get("statement.json"), told["output"])
    body = document["statement"]
    assert len(body["silos"]) == 3
    for silo in body["silos"]:
        privacy = silo["privacy"]
        entries = [json.loads(p.read_bytes()) for p in (folder / f"store/{silo['name']}/flights/ledger").iterdir()]
        reserve = next(e["body"] for e in entries if e["kind"] == "reserve" and e["body"]["job"] == body["job"]["uid"])
        charges = [e["body"]["cost"] for e in entries if e["kind"] == "charge"]
        charged = [sum(costs) for costs in zip(*charges, strict=True)]
        assert charged == privacy["cost"]["total"] == [c * reserve["rounds"] for c in reserve["cost"]]
        assert 1.98 <= float(privacy["jobEpsilon"]) <= 2
        assert float(privacy["pldEpsilon"]) <= float(privacy["jobEpsilon"])


def test_the_report_needs_no_network(story):
    folder, _ = story
    page = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page) and "url(" not in page
    assert "<svg" in page and "EWR" in page.upper()


def test_what_is_left_behind_runs_again(story):
    folder, told = story
    names = {path.name for path in folder.iterdir()}
    assert {"job.yaml", "budgets.yaml", "greedy.yaml", "own.yaml", "schema.yaml", "keys", "store", "task"} <= names
    planned = ringfence(folder, "plan", "job.yaml", "budgets.yaml", "--store", "store", "--json")
    assert planned.returncode in (0, 1), planned.stderr
    greedy = ringfence(folder, "run", "greedy.yaml", "budgets.yaml", "--store", "store", "--keys", "keys")
    assert greedy.returncode == 1
    assert len(greedy.stderr.strip().splitlines()[-1:]) == 1 and "BudgetExhausted" in greedy.stderr
    words = ringfence(folder, "statement", told["output"], "--store", "store")
    assert words.returncode == 0 and "epsilon" in words.stdout
    verified = ringfence(folder, "budget", "verify", "s3://ewr/flights", "--store", "store")
    assert verified.returncode == 0, verified.stderr
