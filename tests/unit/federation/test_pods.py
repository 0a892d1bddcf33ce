"""What a pod leaves for the operator: its termination message, its progress, and what it hears back."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ringfence.errors import KeyRejected, LedgerError, ObjectNotFound, RingfenceError, StoreError, WorkloadFailed
from ringfence.federation.board import Board
from ringfence.federation.outcome import Outcome
from ringfence.federation.pods.config_map import ConfigMap
from ringfence.federation.pods.mounts import Mounts
from ringfence.federation.rounds import Commit
from ringfence.shards.key_provider import provider
from ringfence.shards.keys import load_kek, new_keys
from ringfence.spec.assignment import ObjectRef


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    monkeypatch.setenv("POD_UID", "this-pod")
    (tmp_path / "dev").mkdir()
    return Mounts(tmp_path)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (LedgerError("no open reservation"), 2),
        (RingfenceError("refused"), 2),
        (StoreError("away"), 1),
        (ObjectNotFound("gone"), 1),
        (WorkloadFailed("the silo's process died"), 1),
        (ZeroDivisionError("age 41"), 1),
    ],
    ids=["done", "ledger", "refused", "store", "object", "workload", "foreign"],
)
def test_the_exit_code_says_whether_another_attempt_may_go_better(mounts, error, code):
    assert mounts.leave(Outcome(published=3) if error is None else Outcome.of(error)) == code
    said = json.loads(mounts.termination.read_text())
    assert said["podUid"] == "this-pod"
    assert "41" not in mounts.termination.read_text(), "a foreign exception's text left the pod"
    assert said["published"] == (3 if error is None else 0)


def test_a_long_message_still_is_a_document_that_the_kubelet_keeps(mounts):
    mounts.leave(Outcome.of(StoreError("\u00fc" * 5000, where="s3://" + "x" * 3000, remedy="y" * 3000)))
    text = mounts.termination.read_text()
    assert len(text.encode()) <= 4096
    assert json.loads(text)["error"] == "StoreError"


def test_during_a_rotation_a_pod_finds_the_old_key_and_the_next(mounts):
    folder = mounts.root / "etc/ringfence/key"
    (folder / "..data").mkdir(parents=True)  # as the kubelet keeps it
    for name in ("old", "next"):
        new_keys(mounts.root / name)
    (mounts.root / "old").rename(folder / "kek")
    keys, wanted = provider(mounts.kek), load_kek(mounts.root / "next")
    with pytest.raises(KeyRejected, match=f"sealed under {wanted.id}"):
        keys.find(wanted.id, where="")
    (mounts.root / "next").rename(folder / "kek-next")
    for name in ("kek", "kek-next"):
        kek = load_kek(folder / name)
        assert keys.find(kek.id, where="").id == kek.id


class Shown:
    """A ConfigMap that keeps what it was shown; `away` makes it fail as an API server does that is restarting."""

    def __init__(self) -> None:
        self.data, self.away, self.told = {"lost": ""}, False, threading.Event()

    def __call__(self, data: dict[str, str]) -> dict[str, str]:
        self.told.set()
        if self.away:
            raise OSError("connection refused")
        self.data |= data
        return self.data

    @property
    def progress(self) -> dict:
        return json.loads(self.data["progress"])


def commit(round_: int, **metrics: str) -> Commit:
    return Commit(job="j", round=round_, members={}, input="", model="", metrics=metrics)


def test_progress_tells_rounds_silos_metrics_and_the_time_left():
    shown = Shown()
    board = Board(4, ("a", "b"), shown)
    board.start()
    board.waiting(1, {"b"})
    board.committed(commit(1, auc="0.5"))
    board.committed(commit(2, auc="0.6"))
    board.finish(model="s3://m", statement="s3://s", head={"d": {"index": 3, "hash": "sha256:00"}})
    assert shown.progress | {"heartbeat": ""} == {
        "round": 2,
        "rounds": 4,
        "heartbeat": "",
        "etaSeconds": 0,
        "silos": {"a": "published", "b": "training"},
        "metrics": {"auc": "0.6"},
        "model": "s3://m",
        "statement": "s3://s",
        "head": {"d": {"index": 3, "hash": "sha256:00"}},
        "totals": {},
    }


def test_the_operators_word_on_a_lost_silo_reaches_the_rounds():
    shown = Shown()
    shown.data["lost"] = json.dumps({"b": "its owner withdrew consent"})
    board = Board(4, ("a", "b"), shown)
    board.start()
    assert shown.told.wait(10)
    board.finish()
    assert board.lost() == {"b": "its owner withdrew consent"}
    assert shown.progress["silos"]["b"] == "lost"


def test_an_api_server_that_is_away_stops_nothing_and_forgets_nobody_that_is_lost(monkeypatch):
    monkeypatch.setattr("ringfence.federation.board._PERIOD", 0.01)
    shown = Shown()
    shown.data["lost"] = json.dumps({"b": "lost"})
    board = Board(4, ("a", "b"), shown)
    board.start()
    assert shown.told.wait(10)
    shown.away = True
    board.committed(commit(1))
    for _ in range(3):
        shown.told.clear()
        assert shown.told.wait(10)
    assert board.lost() == {"b": "lost"}
    board.finish()


@pytest.fixture
def api(tmp_path):
    """An API server's answer to a patch; it keeps the requests."""
    seen: list[tuple[str, dict, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, dict(self.headers), body))
            allowed = self.headers["Authorization"] == "Bearer a-token"
            answer = json.dumps({"data": {**body["data"], "lost": "{}"}} if allowed else {"kind": "Status"}).encode()
            self.send_response(200 if allowed else 403)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "token").write_text("a-token\n")
    place = ObjectRef(namespace="delays", name="rf-1")
    yield ConfigMap(place, f"http://127.0.0.1:{server.server_port}", tmp_path), seen
    server.shutdown()
    server.server_close()


def test_one_merge_patch_shows_and_asks(api):
    config_map, seen = api
    assert config_map.patch({"progress": "{}"}) == {"progress": "{}", "lost": "{}"}
    path, headers, body = seen[0]
    assert path == "/api/v1/namespaces/delays/configmaps/rf-1"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"data": {"progress": "{}"}}


def test_a_refused_patch_is_an_os_error(api, tmp_path):
    config_map, _ = api
    (tmp_path / "token").write_text("another")
    with pytest.raises(OSError, match="403"):
        config_map.patch({"progress": "{}"})
