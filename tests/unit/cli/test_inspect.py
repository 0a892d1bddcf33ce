"""A dataset's sealed report is shown after whatever its owner did to it."""

from __future__ import annotations

import pytest

from ringfence.cli import main

SCHEMA = """
columns:
- {name: age, type: integer, minimum: "0", maximum: "120"}
- {name: person, type: identifier, role: unit}
- {name: sick, type: boolean, role: target}
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    lines = (f"{20 + n},p{n},{str(n % 2 == 0).lower()}\n" for n in range(30))
    (tmp_path / "rows.csv").write_text("age,person,sick\n" + "".join(lines))
    for name in ("key", "new", "newest"):
        assert main(["keys", "new", name]) == 0
        (tmp_path / f"{name}.sign").write_bytes((tmp_path / "key.sign").read_bytes())  # one signer, three keys
    return tmp_path


def seal(to: str, *more: str, key: str = "key") -> int:
    return main(["seal", "rows.csv", "--to", to, "--store", "store", "--keys", key, "--schema", "schema.yaml", *more])


def inspected(capsys, key: str) -> str:
    capsys.readouterr()
    assert main(["inspect", "s3://mercy/rows", "--store", "store", "--key", key]) == 0
    return capsys.readouterr().out


def test_the_report_is_shown_after_a_rotation_a_reseal_and_an_erasure(desk, capsys):
    rotate = ["keys", "rotate", "s3://mercy/rows", "--store", "store"]
    assert seal("s3://mercy/rows") == 0
    assert main([*rotate, "--keys", "key", "--to", "new"]) == 0
    assert "quality report" in inspected(capsys, "new")
    assert main([*rotate, "--keys", "new", "--to", "newest", "--reseal"]) == 0
    assert "quality report" in inspected(capsys, "newest")
    assert main(["erase", "s3://mercy/rows", "--store", "store", "--keys", "newest", "--unit", "p3"]) == 0
    assert seal("s3://mercy/rows", "--append", key="newest") == 0
    assert "quality report" in inspected(capsys, "newest")


def test_the_report_tells_of_persons_in_other_datasets(desk, capsys):
    assert seal("s3://mercy/others", "--unit", "User:person") == 0
    assert seal("s3://mercy/rows", "--unit", "User:person", "--overlap") == 0
    shown = inspected(capsys, "key")
    assert "- 30 of the 30 persons sealed with this version stand in s3://mercy/others too" in shown
