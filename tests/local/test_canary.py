"""Promise 3: a value in the rows is found nowhere outside the training process, whatever the task does with it."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pyarrow as pa
import pytest
from support.commands import ringfence, start, wait_for, write_manifests
from support.hospitals import SILOS, House, patients

from ringfence.schema import dump_schema
from ringfence.tasks.package import package

CANARY = 77.123456789012345
FORMS = (struct.pack("<d", CANARY), struct.pack("<f", CANARY), str(CANARY).encode(), b"77.12345")

TALKATIVE = """
import sys
from torch import nn
from torch.nn import functional
from ringfence.tasks import Task

class Talkative(Task):
    "Prints every row it sees, and fails on the rows of the canary with the row in its words."

    def __init__(self, fail: bool = False):
        self.fail = fail

    def model(self, schema):
        return nn.Linear(len(schema.features), 1)

    def encode(self, rows, schema):
        for age in rows.column("age").to_pylist():
            print("row", age)
            print("row", age, file=sys.stderr)
            if self.fail and abs(age - 77.123456789012345) < 1e-9:
                raise ValueError(f"cannot encode {age!r}")
        return {"x": schema.scaled(rows), "y": schema.target(rows)}

    def predict(self, model, batch):
        return model(batch["x"]).squeeze(-1)

    def loss(self, model, batch):
        return functional.binary_cross_entropy_with_logits(self.predict(model, batch), batch["y"], reduction="none")
"""


def with_canary(silo: int) -> pa.Table:
    rows = patients(400, silo)
    ages = [CANARY if i % 2 else age for i, age in enumerate(rows["age"].to_pylist())]
    return rows.set_column(0, "age", pa.array(ages))


class Hospital(House):
    def build(self) -> House:
        super().build()
        for number, silo in enumerate(SILOS):
            self.seal(silo, with_canary(number), append=True, new_records=True)
        return self


def found_in(root: Path, since: float) -> list[str]:
    """Files under `root`, changed after `since`, that hold the canary in any form."""
    holders = []
    for path in root.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                data = path.read_bytes()
                holders += [str(path)] if any(form in data for form in FORMS) else []
        except OSError:
            continue  # sockets, and what a process took away meanwhile
    return holders


@pytest.fixture
def house(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "talkative.py").write_text(TALKATIVE)
    _, digest = package(code)
    task = {"class": "talkative:Talkative", "args": {"fail": False}}
    return Hospital(tmp_path, records=200, job={"task": task}, allowed=(digest,)).build()


def test_the_search_finds_a_canary(tmp_path):
    """The test of the test."""
    began = time.time() - 1
    (tmp_path / "leak").write_bytes(b"x" + FORMS[0])
    assert found_in(tmp_path, began) == [str(tmp_path / "leak")]


def test_no_row_is_found_outside_the_training_process(house, tmp_path):
    began = time.time() - 1
    process = start(tmp_path, "run", *write_manifests(house), "--code", tmp_path / "code", "-v")
    wait_for(lambda: process.poll() is not None or list(tmp_path.glob("store/research/**/rounds/2/model")), 120)
    during = found_in(Path("/dev/shm"), began)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert during == []
    assert found_in(Path("/dev/shm"), began) == []
    assert found_in(Path("/tmp/ray"), began) == []
    assert [path for path in found_in(tmp_path, began) if "/code/" not in path] == []
    assert not any(form in (out + err).encode() for form in FORMS)


def test_a_task_that_fails_with_a_row_in_its_words(house, tmp_path):
    began = time.time() - 1
    house.job["task"] = {"class": "talkative:Talkative", "args": {"fail": True}}
    done = ringfence(tmp_path, "run", *write_manifests(house), "--code", tmp_path / "code", "-v", "--json")
    assert done.returncode != 0
    assert "talkative.py:" in done.stderr, "the place of the failure is told"
    assert not any(form in (done.stdout + done.stderr).encode() for form in FORMS)
    assert json.loads(done.stdout)["error"]["reason"] in ("InvalidTask", "WorkloadFailed")
    assert found_in(Path("/tmp/ray"), began) == []
    assert [path for path in found_in(tmp_path, began) if "/code/" not in path] == []


def test_the_declared_schema_is_all_that_a_manifest_tells_of_rows(house):
    manifest = (house.root / "store/mercy/readmissions/manifest/2").read_bytes()
    assert b"77.1" not in manifest
    assert dump_schema(house.schema)
