"""What this machine sealed it remembers: an older dataset or ledger put back is noticed by the next command."""

from __future__ import annotations

import shutil

import pytest

from ringfence.cli import main

SCHEMA = """
columns:
- {name: age, type: integer, minimum: "0", maximum: "120"}
- {name: sick, type: boolean, role: target}
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    rows = "".join(f"{20 + n},{str(n % 2 == 0).lower()}\n" for n in range(40))
    (tmp_path / "rows.csv").write_text("age,sick\n" + rows)
    assert main(["keys", "new", "key"]) == 0
    assert seal() == 0
    return tmp_path


def seal(*more: str) -> int:
    words = [
        "seal",
        "rows.csv",
        "--to",
        "s3://mercy/rows",
        "--store",
        "store",
        "--keys",
        "key",
        "--schema",
        "schema.yaml",
    ]
    return main([*words, *more])


def test_an_append_to_a_ledger_that_was_rolled_back_is_refused(desk, capsys):
    shutil.copytree(desk / "store", desk / "old")
    assert seal("--append", "--new-records") == 0
    shutil.rmtree(desk / "store")
    shutil.copytree(desk / "old", desk / "store")
    capsys.readouterr()
    assert seal("--append", "--new-records") == 1
    assert "LedgerRolledBack" in capsys.readouterr().err


def test_the_version_that_was_sealed_is_remembered(desk):
    from ringfence.federation.state import StateDirectory

    assert seal("--append", "--new-records") == 0
    (dataset,) = (desk / "state/manifests").iterdir()
    assert StateDirectory().seen_manifest(dataset.name) == 2


PERSONS = """
columns:
- {name: age, type: integer, minimum: "0", maximum: "120"}
- {name: person, type: identifier, role: unit}
- {name: sick, type: boolean, role: target}
"""


def of_persons(to: str, *more: str) -> int:
    words = ["seal", "persons.csv", "--to", to, "--store", "store", "--keys", "key", "--schema", "persons.yaml"]
    return main([*words, "--unit", "User:person", *more])


def test_persons_who_stand_in_a_dataset_sealed_before_are_found_by_the_next_seal(desk, capsys):
    (desk / "persons.yaml").write_text(PERSONS)
    lines = "".join(f"{20 + n},p{n},{str(n % 2 == 0).lower()}\n" for n in range(30))
    (desk / "persons.csv").write_text("age,person,sick\n" + lines)
    assert of_persons("s3://mercy/persons") == 0
    assert of_persons("s3://mercy/again") == 2
    assert "30 of 30 persons stand in s3://mercy/persons too" in capsys.readouterr().err
    assert of_persons("s3://mercy/again", "--overlap") == 0
    assert "a person in 2 datasets has 2 guarantees" in capsys.readouterr().out
    shutil.rmtree(desk / "store/mercy")
    assert of_persons("s3://mercy/third") == 0
    told = "not compared with s3://mercy/again: no dataset here: there is no manifest"
    assert told in capsys.readouterr().out
    assert of_persons("s3://mercy/fourth", "--overlap") == 0
    assert "s3://mercy/again" not in capsys.readouterr().out, "what is gone is told once"
