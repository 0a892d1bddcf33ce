"""`ringfence run` on datasets of unit User: real processes, from the manifests to the statement."""

from __future__ import annotations

import json

from support.audit import charged, check_job
from support.clinic import USERS, clinic
from support.commands import ringfence, write_manifests


def test_a_job_by_user_runs_from_the_command_line(tmp_path):
    house = clinic(tmp_path)
    arguments = write_manifests(house)
    planned = ringfence(tmp_path, "plan", *arguments[:2], "--store", tmp_path / "store", "--json")
    assert planned.returncode == 0, planned.stderr
    done = ringfence(tmp_path, "run", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    uid = result["uid"]
    check_job(house, uid, 2)
    assert [charged(house, silo, uid) for silo in house.silos] == [[1, 2]] * 3
    (found,) = (tmp_path / "store").rglob("statement.json")
    statement = json.loads(found.read_bytes())["statement"]
    assert statement["unit"] == "User"
    for silo in statement["silos"]:
        assert silo["users"] == USERS and silo["privacy"]["samplingRate"] == f"12/{USERS}"
        assert silo["privacy"]["roundsCharged"] == 2
    shown = ringfence(tmp_path, "statement", result["output"], "--store", tmp_path / "store")
    assert "protects one user at a time" in shown.stdout.replace("\n", " ")
