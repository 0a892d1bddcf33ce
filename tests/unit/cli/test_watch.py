"""`ringfence watch`: a run that goes, one that ended, one that died, and a job as an API server tells of it."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from support.hospitals import House
from support.threads import ThreadCluster

from ringfence.cli import main
from ringfence.cli.watched_jobs import on_this_machine
from ringfence.errors import QuorumLost
from ringfence.federation.run import run_job
from ringfence.federation.state import StateDirectory
from ringfence.observe import watching
from ringfence.observe.progress import SilentProgress
from ringfence.observe.watched import Watched, WatchedSilo, of_status


@pytest.fixture
def house(tmp_path, monkeypatch) -> House:
    monkeypatch.setattr("ringfence.federation.board._PERIOD", 0.01)
    found = House(tmp_path, records=120, job={"rounds": 2}).build()
    monkeypatch.setenv("RINGFENCE_STATE", str(found.options().state))
    return found


def seen(wanted, seconds: float = 30) -> Watched:
    """The newest run, once it looks as wanted."""
    look, end = on_this_machine(None), time.monotonic() + seconds
    while not wanted(found := look()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


class Looking(SilentProgress):
    """Looks whenever a round is over, from within the run."""

    def __init__(self) -> None:
        self.looks: list[Watched] = []

    def advance(self, n: int = 1) -> None:
        rounds = len(self.looks) + 1
        self.looks.append(seen(lambda one: one.round == rounds))


def test_a_run_is_seen_going_and_ended(house, capsys):
    going = Looking()
    result = run_job(house.manifests(), house.options(), going, ThreadCluster())
    first, last = going.looks
    assert (first.phase, first.round, first.rounds, first.ended) == ("Training", 1, 2, False)
    assert [silo.name for silo in first.silos] == list(house.silos) and first.totals["rounds"] == "1"
    assert 0 < float(first.epsilon) < float(last.epsilon)
    capsys.readouterr()
    assert main(["watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        f"{house.manifests().job().metadata.namespace}/readmission ({result.uid}): Complete, round 2 of 2"
    )
    assert lines[1:] == [
        *(f"  {silo}: done" for silo in house.silos),
        f"  {result.output}/model.safetensors",
        f"  {result.output}/statement.json",
    ]
    assert main(["watch", result.uid[:8], "--json"]) == main(["watch", "readmission", "--once", "--json"]) == 0
    document = json.loads(capsys.readouterr().out.partition("\n}\n")[0] + "}")
    assert document["phase"] == "Complete" and document["silos"][0]["totals"]["rounds"] == "2"


def test_a_run_that_failed_says_why_and_one_whose_process_died_how_to_go_on(house, capsys):
    class Silent(ThreadCluster):
        """Silos that are prepared and then never answer."""

        def run(self, silo):
            return Future()

    short = house.manifests(roundDeadlineSeconds=1, quorum=2)
    with pytest.raises(QuorumLost):
        run_job(short, house.options(), cluster=Silent())
    assert main(["watch"]) == 1
    assert "QuorumLost: round 1: 0 of" in capsys.readouterr().out
    state = StateDirectory()
    (uid,) = state.runs()
    path = state.progress_path(uid)
    told = json.loads(path.read_text())
    del told["ended"], told["message"]
    path.write_text(json.dumps(told))  # as a process leaves it that is killed
    assert main(["watch", "--once"]) == 1
    assert "Stopped" in (said := capsys.readouterr().out) and "--resume continues it" in said
    with state.lock(uid):
        assert on_this_machine(None)().phase == "Starting"


def test_nothing_to_watch_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path))
    assert main(["watch"]) == 1
    assert "nothing ran here; begin one with `ringfence run`" in capsys.readouterr().err
    assert main(["watch", "--namespace", "research"]) == 2
    assert "which job?; kubectl get fj -n research" in capsys.readouterr().err


TRAINING = {
    "metadata": {"namespace": "research", "name": "late", "uid": "u-1"},
    "spec": {"rounds": 5},
    "status": {
        "phase": "Training", "round": 3, "rounds": 5, "epsilon": "0.912345", "eta": "2026-11-22T10:01:30Z",
        "metrics": {"auc": "0.713000"}, "totals": {"waitSeconds": "3.25", "missedUpdates": "1"},
        "silos": [
            {"name": "ewr", "state": "Training"},
            {"name": "jfk", "state": "Lost", "reason": "KeyRejected", "message": "not \x1b[31mthe key"},
        ],
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "Running", "message": "", "lastTransitionTime": "1"},
        ],
    },
}  # fmt: skip
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def test_a_jobs_status_is_told_in_lines_and_no_name_steers_the_terminal():
    assert watching.lines(of_status(TRAINING, NOW)) == [
        "research/late (u-1): Training, round 3 of 5, epsilon 0.912345, auc 0.7130, 1m 30s left",
        "  ewr: Training",
        "  jfk: Lost, KeyRejected: not [31mthe key",
    ]


def test_a_job_that_waits_or_failed_says_why():
    waits = {
        "type": "BudgetReserved",
        "status": "False",
        "reason": "WaitingForBudget",
        "message": "3 jobs are before it",
    }
    failed = {"type": "Failed", "status": "True", "reason": "QuorumLost", "message": "too few"}
    for condition, said in ((waits, "WaitingForBudget: 3 jobs are before it"), (failed, "QuorumLost: too few")):
        status = {"phase": "Waiting", "conditions": [{**condition, "lastTransitionTime": "1"}]}
        assert of_status({**TRAINING, "status": status}, NOW).note == said


def test_a_status_that_was_never_written_is_pending():
    assert watching.lines(of_status({key: TRAINING[key] for key in ("metadata", "spec")}, NOW)) == [
        "research/late (u-1): Pending, round 0 of 5"
    ]


def test_without_a_terminal_only_what_changed_is_told_again():
    stream = io.StringIO()
    end = {**TRAINING, "status": {**TRAINING["status"], "phase": "Complete", "round": 5}}
    answers = iter([TRAINING, TRAINING, end])
    watching.watch(lambda: of_status(next(answers), NOW), 0.001, stream)
    lines = stream.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "research/late (u-1): Training", "  ewr: Training", "  jfk: Lost", "research/late (u-1): Complete",
    ]  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_a_screen_that_is_drawn_over(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    silo = WatchedSilo("ewr", "training", "sealing [red]its update", {"rounds": "3", "trainSeconds": "12.5"})
    one = Watched(
        "r/late (u)", "Complete", 3, 5, epsilon="1", silos=(silo,), totals={"waitSeconds": "4"}, model="s3://m"
    )
    watching.watch(lambda: one, 0.001, stream)
    text = stream.getvalue()
    for part in ("r/late (u): Complete, round 3 of 5", "sealing [red]its update", "12.5s", "wait 4s", "s3://m"):
        assert part in text, part


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (11_100, "3h 05m")]
)
def test_durations_are_as_people_say_them(seconds, said):
    assert watching.duration(seconds) == said


@contextmanager
def api_server(tmp_path, monkeypatch):
    """Answers every GET with what `said` holds: a status code and a document."""
    said: list[tuple[int, dict]] = []
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            code, document = said[0] if len(said) == 1 else said.pop(0)
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    document = {"apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [cluster]}
    document |= {"contexts": [context], "users": [{"name": "u", "user": {"token": "t"}}]}
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    try:
        yield said, paths
    finally:
        server.shutdown()
        server.server_close()


def test_a_job_in_a_cluster_is_watched_until_it_ends(tmp_path, monkeypatch, capsys):
    with api_server(tmp_path, monkeypatch) as (said, paths):
        said += [(200, TRAINING), (200, {**TRAINING, "status": {**TRAINING["status"], "phase": "Complete"}})]
        assert main(["watch", "late", "-n", "research", "--every", "0.2"]) == 0
        assert set(paths) == {"/apis/ringfence.dev/v1alpha1/namespaces/research/federatedjobs/late"}
        assert capsys.readouterr().out.count("research/late (u-1)") == 2
        said[:] = [(404, {"kind": "Status"})]
        assert main(["watch", "gone", "-n", "research"]) == 1
        assert "research/gone: no such FederatedJob; see `kubectl get fj -A`" in capsys.readouterr().err
        said[:] = [(403, {"kind": "Status"})]
        assert main(["watch", "late", "-n", "research"]) == 1
        assert "the API server says no: Forbidden (403)" in capsys.readouterr().err


def test_without_kubernetes_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert main(["watch", "late", "-n", "research"]) == 2
    err = capsys.readouterr().err
    assert "this needs kubernetes, which is not installed; install it with: pip install 'ringfence[operator]'" in err


def test_without_a_kubeconfig_it_says_so(tmp_path, monkeypatch, capsys):
    pytest.importorskip("kubernetes")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert main(["watch", "late", "-n", "research"]) == 2
    assert "no usable kubeconfig; set KUBECONFIG" in capsys.readouterr().err
