"""What a coordinator counts, a restarted one too; bytes by a store that measures; a silo's tally on real rows."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import pytest
from support.hospitals import House
from support.threads import ThreadCluster

from ringfence.federation import rounds_seen
from ringfence.federation.pods.metered import MeteredStores
from ringfence.federation.rounds import Commit
from ringfence.federation.rounds_seen import RoundsSeen
from ringfence.federation.run import run_job
from ringfence.observe import tally


def commit(round_: int, *members: str) -> Commit:
    digests = dict.fromkeys(members, "sha256:00")
    seconds = {"wait": "0.250", "aggregate": "0.001"}
    return Commit(job="j", round=round_, members=digests, input="", model="", metrics={}, seconds=seconds)


def test_adopted_commits_count_so_that_a_restart_loses_none():
    seen = RoundsSeen(("a", "b"), {"sentBytes": "10"})
    seen.committed(commit(1, "a", "b"))
    seen.committed(commit(2, "a"))
    seen.moved("sent", 5)
    assert seen.totals() == {
        "aggregateCount": "2", "aggregateSeconds": "0.002", "missedUpdates": "1", "rounds": "2", "sentBytes": "15",
        "updates": "3", "waitCount": "2", "waitSeconds": "0.5",
    }  # fmt: skip
    assert [(one.updates, one.missed) for one in seen.members().values()] == [(2, 0), (1, 1)]


def test_whoever_answers_late_is_seen_to(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(rounds_seen.time, "monotonic", lambda: now[0])
    seen = RoundsSeen(("a", "b", "c"))
    for round_ in (1, 2):
        for after, waiting in ((0, {"a", "b"}), (2, {"b"}), (3, set())):
            now[0] += after
            seen.waiting(round_, waiting)
    seen.waiting(3, {"a", "b", "c"})
    answers = {name: (one.answers, one.seconds) for name, one in seen.members().items()}
    assert answers == {"a": (2, 4.0), "b": (2, 10.0), "c": (2, 0.0)}


def test_a_metered_store_is_the_store_and_tells_every_byte(tmp_path):
    moved: list[tuple[str, int]] = []
    store = MeteredStores(moved=lambda *one: moved.append(one)).open(f"file://{tmp_path}")
    store.put("a/b", b"four")
    assert store.put_if_absent("a/c", b"xyz") and not store.put_if_absent("a/c", b"xyz")
    assert store.get("a/b") == b"four" and store.original("a/c").data == b"xyz"
    with store.reading("a/b") as file, closing(file):
        assert file.read() == b"four"
    version = store.versions("a/b")[0]
    assert store.get_version("a/b", version.version_id) == b"four"
    assert [one.key for one in store.list("a")] == ["a/b", "a/c"] and store.exists("a/b")
    store.delete("a/b")
    store.purge("a/c")
    assert not store.exists("a/b") and not store.exists("a/c") and store.url == f"file://{tmp_path}"
    sent, received = (sum(size for way, size in moved if way == which) for which in ("sent", "received"))
    assert (sent, received) == (4 + 3 + 3, 4 + 3 + 4 + 4)


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path, records=120, job={"rounds": 2}).build()


def test_a_private_silo_tells_planned_examples_coarse_times_and_nothing_else(house):
    result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    plan = next(iter(house.view("mercy").reservations.values())).reserve.plan
    doing, round_, totals = tally.read(house.options().state / "jobs" / result.uid / "tally" / "mercy")
    assert (doing, round_) == ("", 2)
    local = house.manifests().job().spec.local
    assert totals["examples"] == str(2 * plan.steps_per_round * local.batch(120))
    assert totals["rounds"] == totals["trainCount"] == totals["sealCount"] == totals["releaseCount"] == "2"
    assert set(totals) <= tally.SILO
    for part in ("open", "encode"):
        assert tally.coarse(float(totals[f"{part}Seconds"])) == Decimal(totals[f"{part}Seconds"]), "not on the grid"
