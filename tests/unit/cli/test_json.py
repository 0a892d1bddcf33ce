"""With --json, stdout is exactly one document, of any command that succeeds; figures in it are those of the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ringfence.cli import main

ROWS = "age,ill\n" + "".join(f"{20 + number % 50},{str(number % 3 == 0).lower()}\n" for number in range(60))
SCHEMA = """columns:
- {name: age, type: integer, minimum: "0", maximum: "100"}
- {name: ill, type: boolean, role: target}
"""
URL = "s3://mercy/ill"
OPEN = "--namespace mercy --name ill --epsilon 4 --delta 1e-5 --consumer research=3,2 --consumer ops"


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, rows and a sealed dataset in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    Path("rows.csv").write_text(ROWS)
    Path("schema.yaml").write_text(SCHEMA)
    assert main(["keys", "new", "key"]) == 0
    assert main(f"seal rows.csv --to {URL} --store store --keys key --schema schema.yaml".split()) == 0


def document(words: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words.split(), "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("owner")
def test_a_dataset_is_inspected_and_its_quality_shown_to_its_owner_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(f"inspect {URL} --store store", capsys)
    assert (found["manifest"]["records"], found["verified"], "quality" in found) == (60, False, False)
    assert "quality" in document(f"inspect {URL} --store store --key key", capsys)


@pytest.mark.usefixtures("owner")
def test_sealing_tells_what_was_sealed(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(
        "seal rows.csv --to s3://mercy/open --store store --keys key --schema schema.yaml --public", capsys
    )
    assert (found["records"], found["read"], found["public"], found["ledger"]) == (60, 60, True, None)


@pytest.mark.usefixtures("owner")
def test_a_budget_is_opened_shown_raised_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    opened = document(f"budget open {URL} --store store --keys key {OPEN}", capsys)
    assert [order["order"] for order in opened["orders"]][:2] == ["1.5", "2"]
    assert [job["epsilon"] for job in opened["typicalJobs"]] == ["0.4", "1", "2", "4"]
    shown = document(f"budget show {URL} --store store", capsys)
    assert (shown["limit"], shown["spent"]) == (
        {"epsilon": "4", "delta": "0.00001", "accountant": "rdp", "highestEpsilon": "4"},
        "0",
    )
    assert [job["epsilon"] for job in shown["typicalJobsLeft"]] == ["0.4", "1", "2", "4"]
    raised = document(f"budget raise {URL} --store store --keys key --epsilon 6 --reason trust", capsys)
    assert (raised["from"], raised["to"]) == ("4", "6")
    lowered = document(f"budget lower {URL} --store store --keys key --epsilon 5", capsys)
    assert (lowered["from"], lowered["to"], lowered["effective"]) == ("6", "5", "5")
    moved = document(f"budget transfer {URL} --store store --keys key --to kube:uid/mercy/ill", capsys)
    assert (moved["from"], moved["to"]) == (None, "kube:uid/mercy/ill")
    entries = document(f"budget history {URL} --store store", capsys)["entries"]
    assert [entry["kind"] for entry in entries] == ["open", "shards", "limit", "limit", "limit", "owner"]
    assert document(f"budget verify {URL} --store store", capsys)["entries"] == 6


@pytest.mark.usefixtures("owner")
def test_a_gdp_budget_counts_mu_squared(capsys: pytest.CaptureFixture[str]) -> None:
    opened = document(
        f"budget open {URL} --store store --keys key --namespace mercy --name ill "
        "--epsilon 10 --delta 1e-7 --accountant gdp",
        capsys,
    )
    assert opened["orders"] == [{"order": "gdp", "delta": "0.0000001", "limit": 2_976_992}]
    assert "accountant: gdp" in opened["manifest"]
    assert document(f"budget show {URL} --store store", capsys)["limit"]["accountant"] == "gdp"


def test_what_is_solved_stands_by_accountant(capsys: pytest.CaptureFixture[str]) -> None:
    found = document("account --mechanism gaussian --noise-multiplier 20 --epsilon 10 --delta 1e-7", capsys)
    assert found["steps"] == {"rdp": 1083, "pld": 1190, "gdp": 1190}
    assert "samplingRate" not in found


@pytest.mark.usefixtures("owner")
def test_the_manifest_of_an_opened_budget_can_be_applied(capsys: pytest.CaptureFixture[str]) -> None:
    from ringfence.spec import load_manifests

    assert main(f"budget open {URL} --store store --keys key -o budget.yaml {OPEN}".split()) == 0
    (budget,) = load_manifests([Path("budget.yaml")]).budgets
    assert (budget.metadata.namespace, budget.metadata.name, budget.spec.dataset) == ("mercy", "ill", URL)
    assert budget.spec.signer == Path("key.pub").read_text().strip()
    shares = [(c.namespace, c.max_epsilon, c.max_epsilon_per_job) for c in budget.spec.consumers]
    assert shares == [("research", "3", "2"), ("ops", None, None)]
    assert (budget.spec.purposes, budget.spec.runtime.allowed_code) == ((), ("builtin",))


@pytest.mark.usefixtures("owner")
def test_without_an_output_file_stdout_itself_can_be_applied(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(f"budget open {URL} --store store --keys key {OPEN}".split()) == 0
    Path("piped.yaml").write_text(capsys.readouterr().out)
    from ringfence.spec import load_manifests

    assert len(load_manifests([Path("piped.yaml")]).budgets) == 1


@pytest.mark.usefixtures("owner")
def test_opening_twice_with_the_same_numbers_adds_no_entry(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        document(f"budget open {URL} --store store --keys key {OPEN}", capsys)
    assert document(f"budget verify {URL} --store store", capsys)["entries"] == 3


@pytest.mark.usefixtures("owner")
def test_an_altered_ledger_does_not_verify_and_can_still_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    document(f"budget open {URL} --store store --keys key {OPEN}", capsys)
    entry = Path("store/mercy/ill/ledger/2")
    entry.chmod(0o600)
    entry.write_bytes(entry.read_bytes().replace(b'"4"', b'"9"'))
    error = document(f"budget verify {URL} --store store", capsys, code=1)["error"]
    assert (error["reason"], error["where"].endswith("ledger/2")) == ("LedgerTampered", True)
    assert "ledger/2" in document(f"budget show {URL} --store store", capsys)["closed"]
    history = document(f"budget history {URL} --store store", capsys)
    assert ([row["index"] for row in history["entries"]], "ledger/2" in history["closed"]) == ([0, 1], True)


@pytest.mark.usefixtures("owner")
def test_an_owner_pardons_garbage_and_the_ledger_opens_again(capsys: pytest.CaptureFixture[str]) -> None:
    document(f"budget open {URL} --store store --keys key {OPEN}", capsys)
    refused = document(f"budget pardon {URL} --store store --keys key", capsys, code=2)["error"]
    assert refused["message"] == "this ledger is not closed"
    Path("store/mercy/ill/ledger/3").write_text("garbage")
    Path("store/mercy/ill/ledger/notes.txt").write_text("by hand")
    done = document(f"budget pardon {URL} --store store --keys key", capsys)
    assert (done["pardoned"], done["entries"]) == ("s3://mercy/ill/ledger/3", 5)
    found = document(f"budget verify {URL} --store store", capsys)
    assert (found["entries"], found["pardoned"], found["notEntries"]) == (5, ["ledger/3"], ["ledger/notes.txt"])
    told = document(f"budget history {URL} --store store", capsys)["entries"][-1]
    assert (told["who"], told["what"]) == ("owner", "pardons the faulty object ledger/3")


def test_accounting_keeps_to_the_documented_fields(capsys: pytest.CaptureFixture[str]) -> None:
    words = "account --sampling-rate 256/60000 --noise-multiplier 1.1 --steps 14062 --delta 1e-5"
    found = document(words, capsys)
    assert {name: round(value, 4) for name, value in found["epsilon"].items()} == {"rdp": 2.5966, "pld": 2.3817}
    assert (found["noiseMultiplier"], found["delta"]) == ({"rdp": 1.1, "pld": 1.1}, 1e-5)


def test_the_noise_for_an_epsilon_reaches_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = document("account --sampling-rate 0.01 --epsilon 2 --steps 500 --delta 1e-5", capsys)
    assert found["noiseMultiplier"]["pld"] < found["noiseMultiplier"]["rdp"]
    assert all(1.98 < epsilon <= 2 for epsilon in found["epsilon"].values())


def test_the_crds_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    from ringfence.spec.crds import render

    assert document("crds", capsys)["files"] == render()
