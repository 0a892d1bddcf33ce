"""Ctrl-C in the middle of a run: one line says how to go on, nothing is lost, and going on completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from support.audit import check_job, output
from support.commands import MAIN, environment, ringfence, silo_processes, wait_for, write_manifests
from support.hospitals import House


def hear_ctrl_c() -> None:
    """A test that runs in the background of a shell has SIGINT ignored, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_run_is_resumed(tmp_path):
    job = {"rounds": 30, "local": {"epochs": "8", "batchSize": 16, "optimizer": {"name": "sgd", "learningRate": "0.1"}}}
    house = House(tmp_path, records=1500, job=job).build()
    command = [sys.executable, "-c", MAIN, "run", *map(str, write_manifests(house))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A session of its own: as in a terminal, the whole group hears Ctrl-C, Ray's processes too.
    pipes |= {"start_new_session": True, "preexec_fn": hear_ctrl_c}
    process = subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, **pipes)
    models = tmp_path / "store/research/models/readmission"
    wait_for(lambda: process.poll() is not None or list(models.glob("*/rounds/2/model")), 120)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in err.strip().splitlines()[-1] and "Traceback" not in err
    wait_for(lambda: not silo_processes(), 90)
    uid = next(models.iterdir()).name
    assert all(house.view(silo).open_reservations() for silo in house.silos), "the rounds to come stay reserved"
    done = ringfence(tmp_path, "run", *write_manifests(house), "--resume")
    assert done.returncode == 0, done.stderr
    assert (output(house, uid) / "rounds/30/commit").exists()
    check_job(house, uid, 30)
