"""The parts of the shell that need no API server: cache, queue, views, settings, credentials, the lease's clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from support.operator_jobs import UID, accepted, job_document

from ringfence.errors import ClusterError, InvalidInput
from ringfence_operator.controller import running, views, working
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.carrying import NotLeading
from ringfence_operator.controller.keys import Keys
from ringfence_operator.controller.kinds import BUDGETS, CLUSTERS, CONFIGS, JOBS
from ringfence_operator.controller.notes import Notes
from ringfence_operator.controller.port import Ledgers
from ringfence_operator.controller.watching import options, registry, take_in
from ringfence_operator.controller.working import Workers, ahead
from ringfence_operator.ledgers.credentials import Credentials, Kept
from ringfence_operator.names import labels
from ringfence_operator.seen import Refused
from ringfence_operator.settings import from_environment, granted


def stored(version: int, uid: str = UID, name: str = "readmission", **changes: Any) -> dict[str, Any]:
    document = job_document()
    document["metadata"] |= {"uid": uid, "name": name, "resourceVersion": str(version), "generation": 1}
    document["metadata"] |= {"creationTimestamp": changes.pop("created", "2026-01-01T00:00:00Z")}
    return {**document, **changes}


def child(version: int, uid: str = UID, name: str = "a", silo: str = "mercy", **data: Any) -> dict[str, Any]:
    metadata = {"namespace": "mercy-ns", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": {**metadata, "labels": labels(uid, "readmission", silo, 1)}, **data}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = Cache()
    cache.put(JOBS, stored(7, status={"round": 2}))
    assert cache.put(JOBS, stored(6, status={"round": 1})) == set()
    assert cache.put(JOBS, stored(7, status={"round": 1})) == set()
    found = cache.job(UID)
    assert found is not None
    assert found.status.round == 2


def test_a_late_deletion_of_an_older_object_changes_nothing() -> None:
    cache = Cache()
    cache.put(CONFIGS, child(9))
    assert cache.drop(CONFIGS, child(8)) == set()
    assert cache.children(UID).anchors
    assert cache.drop(CONFIGS, child(10)) == {UID}
    assert not cache.children(UID)


def test_a_list_takes_away_what_is_gone_and_nothing_newer() -> None:
    cache = Cache()
    cache.put(CONFIGS, child(3, name="old"))
    cache.put(CONFIGS, child(12, name="new"))
    assert cache.sweep(CONFIGS, {("mercy-ns", "listed")}, 10) == {UID}
    assert [one.name for one in cache.children(UID).anchors] == ["new"]
    assert cache.sweep(CONFIGS, set(), 20, "another-ns") == set()


def test_a_budget_concerns_the_jobs_that_name_it() -> None:
    cache = Cache()
    cache.put(JOBS, stored(1))
    metadata = {"namespace": "mercy-ns", "name": "patients", "uid": "b", "resourceVersion": "2"}
    keys: list[Any] = []
    take_in(cache, keys.append, BUDGETS, None, {"metadata": metadata, "spec": {}})
    assert keys == [("budget", "mercy-ns", "patients"), ("job", "research", UID)]
    cache.drop(JOBS, stored(3))
    assert cache.users(("mercy-ns", "patients")) == set()


def test_the_queue_of_waiting_jobs_is_by_arrival_and_passes_over_who_backs_off() -> None:
    cache = Cache()
    waits = {"type": "BudgetReserved", "status": "False", "reason": "WaitingForBudget"}
    cache.put(JOBS, stored(1, "one", "one", created="2026-01-01T00:00:01Z", status={"conditions": [waits]}))
    later = {"conditions": [waits], "retryAfter": "2100-01-01T00:00:00Z"}
    cache.put(JOBS, stored(2, "two", "two", created="2026-01-01T00:00:02Z", status=later))
    cache.put(JOBS, stored(3, "three", "three", created="2026-01-01T00:00:03Z"))
    assert ahead(cache, "three", "2026-01-01T00:00:03Z", 1_800_000_000.0) == ("research/one",)
    assert ahead(cache, "one", "2026-01-01T00:00:01Z", 1_800_000_000.0) == ()
    cache.put(JOBS, stored(4, "one", "one", status={"conditions": [{**waits, "status": "True", "reason": "Reserved"}]}))
    assert ahead(cache, "three", "2026-01-01T00:00:03Z", 1_800_000_000.0) == ()


def test_what_is_kept_of_a_child_is_small() -> None:
    cache = Cache()
    cache.put(CONFIGS, child(1, data={"assignment.json": "x" * 10_000}))
    cache.put(CLUSTERS, child(2, spec={"headGroupSpec": {"template": "x" * 10_000}}))
    (anchor,), (cluster,) = cache.children(UID).anchors, cache.children(UID).clusters
    assert "xxx" not in repr(anchor) + repr(cluster)


def taken(keys: Keys, count: int) -> list[tuple[str, str, str]]:
    async def take() -> list[tuple[str, str, str]]:
        return [await keys.take() for _ in range(count)]

    return asyncio.run(take())


def added(keys: Iterable[tuple[str, str, str]]) -> Keys:
    found = Keys()
    for key in keys:
        found.add(key)
    return found


def test_namespaces_take_turns() -> None:
    keys = added([("job", "crowd", str(n)) for n in range(100)] + [("job", "alone", "x")])
    assert ("job", "alone", "x") in taken(keys, 2)


def test_a_key_is_queued_once_and_never_worked_on_twice_at_a_time() -> None:
    keys = added([("job", "a", "x")] * 3)
    assert taken(keys, 1) == [("job", "a", "x")]
    keys.add(("job", "a", "x"))
    assert len(keys) == 0
    keys.done(("job", "a", "x"))
    assert len(keys) == 1


def test_the_earlier_of_two_times_counts() -> None:
    async def story() -> tuple[str, str, str]:
        keys = Keys()
        keys.add_after(("job", "a", "x"), 3600)
        keys.add_after(("job", "a", "x"), 0.01)
        keys.add_after(("job", "a", "x"), 3600)
        return await asyncio.wait_for(keys.take(), 5)

    assert asyncio.run(story()) == ("job", "a", "x")


def test_refusals_of_one_question_are_counted() -> None:
    notes = Notes()
    for _ in range(3):
        notes.note(UID, closed=Refused("StoreUnavailable", "no"))
    assert notes.of(UID).closed == Refused("StoreUnavailable", "no", tries=3)
    notes.note(UID, closed=True)
    notes.note(UID, closed=Refused("StoreUnavailable", "no"))
    assert notes.of(UID).closed == Refused("StoreUnavailable", "no", tries=1)


def pod(**status: Any) -> Any:
    return views.pod(child(1, status=status))


def test_a_pod_is_read_as_the_kubelet_wrote_it() -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "m"}}
    one = pod(
        phase="Running",
        containerStatuses=[
            {"name": "ray-head", "ready": True, "state": {"running": {}}},
            {"name": "driver", "ready": False, "state": ended},
        ],
        initContainerStatuses=[{"name": "wait", "state": {"waiting": {"reason": "ErrImagePull"}}}],
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}],
    )
    assert (one.main.code, one.main.message) == (1, "m")
    assert one.ray.running
    assert one.others[0].reason == "ErrImagePull"
    assert one.unschedulable == "0/1 nodes"
    assert not one.disrupted
    assert pod(phase="Failed", reason="Evicted").disrupted
    assert pod(conditions=[{"type": "DisruptionTarget", "status": "True"}]).disrupted


@pytest.mark.parametrize("label", ["", "x", "-1", "1" * 10], ids=["none", "word", "negative", "long"])
def test_labels_that_are_nonsense_belong_to_nobody(label: str) -> None:
    document = child(1)
    document["metadata"]["labels"]["ringfence.dev/attempt"] = label
    assert views.anchor(document) is None


def test_an_edited_cluster_is_seen_by_its_generation_unless_a_queue_edits_it() -> None:
    document = child(1, spec={"suspend": True})
    document["metadata"]["generation"] = 2
    found = views.cluster(document)
    assert found is not None
    assert (found.edited, found.queued) == (True, False)
    document["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "gpu"
    found = views.cluster(document)
    assert found is not None
    assert (found.edited, found.queued) == (False, True)


def test_a_status_by_another_hand_counts_as_none() -> None:
    assert views.job(stored(1, status={"round": "many"})).status.round is None
    assert views.job(stored(1, spec={})).resource is None
    assert "spec.task: is required" in views.job(stored(1, spec={})).fault


def test_settings_are_read_with_their_faults_named() -> None:
    found = from_environment(
        {
            "RINGFENCE_WATCH_NAMESPACES": "a, b",
            "RINGFENCE_STORE_CREDENTIALS": "Managed",
            "RINGFENCE_EXTRA_CLAIM": "torch:/opt/torch",
            "RINGFENCE_OUTPUTS": "research=s3://models/research,*=s3://shared/{namespace}",
            "RINGFENCE_START_SECONDS": "60",
        }
    )
    assert (found.watched, found.credentials, found.extra_claim) == (
        ("a", "b", "ringfence-system"),
        "Managed",
        ("torch", "/opt/torch"),
    )
    assert found.limits.start == 60
    assert granted(found, "research") == ("s3://models/research", "s3://shared/research")
    assert granted(found, "other") == ("s3://shared/other",)
    assert granted(from_environment({}), "research") == ("s3://research",)
    faults = {
        "STORE_CREDENTIALS": "Mine",
        "EXTRA_CLAIM": "torch",
        "OUTPUTS": "a=b",
        "WORKERS": "0",
        "START_SECONDS": "x",
    }
    for name, value in faults.items():
        with pytest.raises(InvalidInput, match=f"RINGFENCE_{name}"):
            from_environment({f"RINGFENCE_{name}": value})


def test_credentials_differ_by_everything_they_are_bound_to_and_never_change() -> None:
    mine, other = Credentials(b"m" * 32), Credentials(b"n" * 32)
    pairs = [
        one.pair(uid, silo, attempt)
        for one in (mine, other)
        for uid in ("a", "b")
        for silo in ("", "mercy", "coordinator")
        for attempt in (1, 2)
    ]
    assert len({part for pair in pairs for part in pair}) == 2 * len(pairs)
    assert mine.pair("a", "mercy", 1) == Credentials(b"m" * 32).pair("a", "mercy", 1)
    assert [len(part) for part in pairs[0]] == [20, 40]


class Minio:
    """A store's users, as its administrator sees them."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def ensure_user(self, access: str, secret: str, name: str, policy: Any) -> None:
        self.made[access] = policy

    def remove_user(self, access: str, name: str) -> None:
        self.made.pop(access, None)

    def users(self) -> list[str]:
        return sorted(self.made)


def test_a_lease_in_doubt_for_a_moment_leaves_no_leader_without_work() -> None:
    """While a new leader lists, a late renewal; while a worker writes, the same: both go on."""

    class Listing:
        tries = 0

        async def once(self) -> None:
            self.tries += 1
            if self.tries < 3:
                raise ClusterError("not ready") if self.tries == 1 else RuntimeError("unforeseen")

    class Working:
        started = 0

        def start(self) -> None:
            self.started += 1

    async def cut_off(key: Any) -> None:
        raise NotLeading

    async def run() -> None:
        listing, working = Listing(), Working()
        await asyncio.wait_for(running._lead(listing, working), 60)  # type: ignore[arg-type]
        assert (listing.tries, working.started) == (3, 1)
        keys = Keys()
        workers = Workers(None, keys, None)  # type: ignore[arg-type]
        workers._job = cut_off  # type: ignore[method-assign]
        await workers._turn(("job", "research", UID))
        assert await asyncio.wait_for(keys.take(), 60) == ("job", "research", UID)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_RETRY", 0.01)
        patch.setattr(working, "_IN_DOUBT", 0.01)
        asyncio.run(run())


def test_a_report_counts_from_when_it_was_first_seen() -> None:
    notes = Notes()
    for report, now in (("a", 5.0), ("a", 9.0), ("b", 11.0), ("b", 12.0)):
        notes.hear(UID, report, now)
    assert notes.of(UID).heard == ("b", 11.0)


def test_users_of_jobs_that_are_gone_are_swept_and_nobody_elses() -> None:
    minio = Minio()
    mine, other = (Credentials(key * 32, minio) for key in (b"m", b"n"))  # type: ignore[arg-type]
    kept = [mine.pair(UID, "mercy", 1), mine.pair(UID, "mercy", 2), other.pair("gone", "mercy", 1), ("operator", "")]
    gone = [mine.pair(UID, "mercy", 3), mine.pair("gone", "mercy", 1), mine.pair("gone", "", 1)]
    for access, secret in (*kept, *gone):
        minio.ensure_user(access, secret, access, {})
    ledgers = Ledgers(None, mine)  # type: ignore[arg-type]
    asyncio.run(ledgers.sweep(lambda: {UID: {"mercy": 2, "": 1}}))
    assert set(minio.made) == {access for access, _ in kept}


def test_a_managed_user_is_made_with_its_silos_policy_and_removed_for_every_attempt() -> None:
    from ringfence.privacy.jobkeys import derive

    minio = Minio()
    credentials = Credentials(b"m" * 32, minio)  # type: ignore[arg-type]
    for silo, attempt in (("mercy", 1), ("mercy", 2), ("", 1)):
        kept = Kept(UID, silo, attempt, "s3://research/out", accepted(), None)
        made = credentials.make(kept, derive(b"m" * 32, UID, "x"))
        assert made.access in minio.made
    text = json.dumps(minio.made[credentials.pair(UID, "mercy", 1)[0]])
    assert "stjude" not in text
    assert "arn:aws:s3:::mercy/rows/shards/*" in text
    coordinator = json.dumps(minio.made[credentials.pair(UID, "", 1)[0]])
    assert "shards" not in coordinator
    credentials.remove(UID, {"mercy": 2, "": 1})
    assert minio.made == {}


def test_kopf_only_watches_and_asks_for_our_objects() -> None:
    found = options(())
    assert (found.peering.standalone, found.posting.enabled, found.scanning.disabled) == (True, False, False)
    assert options(("a",)).scanning.disabled
    selectors = list(found.watching.label_selectors.values())
    assert len(selectors) == 4
    assert all("app.kubernetes.io/managed-by=ringfence" in text for text in selectors)
    assert registry(Cache(), lambda key: None) is not None
