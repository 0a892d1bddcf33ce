"""Promises 2 and 5: killed between any two writes, a job completes, charges once, and releases once."""

from __future__ import annotations

import pytest
from support.audit import check_job, output
from support.crashes import Fuse, FusedStores
from support.hospitals import House
from support.threads import Crash, ThreadCluster

from ringfence.errors import QuorumLost
from ringfence.federation import run as run_module
from ringfence.federation.run import run_job
from ringfence.federation.state import StateDirectory
from ringfence.observe.progress import SilentProgress


def small(root, **changes) -> House:
    return House(root, records=120, job={"rounds": 2, "roundDeadlineSeconds": 20, "backoffLimit": 1}, **changes).build()


def fused(fuse: Fuse, silo: str = "mercy"):
    return lambda name, given: FusedStores(given.mapping, fuse) if name == silo else given


def test_an_uninterrupted_job_charges_and_publishes_each_round_once(tmp_path):
    house = small(tmp_path)
    result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert [commit.round for commit in result.commits] == [1, 2]
    check_job(house, result.uid, 2)


# A silo's writes: one entry of the audit log before it opens its shards; in a round stage, charge, publish, unstage;
# before the first charge one probe of conditional writes. With its last publication the job is done: the run may end,
# and unstage for it, before the silo makes its tenth write.
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(1, 11))
def test_a_silo_killed_at_any_write_is_started_again(tmp_path, write, after):
    house = small(tmp_path)
    cluster = ThreadCluster(fused(Fuse(write, after)))
    result = run_job(house.manifests(), house.options(), cluster=cluster)
    assert cluster.deaths == 1 or write == 10
    assert [sorted(commit.members) for commit in result.commits] == [list(house.silos)] * 2
    check_job(house, result.uid, 2)


def test_a_silo_makes_ten_writes_in_two_rounds(tmp_path):
    """Keeps the range above honest."""
    house, fuse = small(tmp_path), Fuse()
    run_job(house.manifests(), house.options(), cluster=ThreadCluster(fused(fuse)))
    assert fuse.writes in (9, 10)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [*range(1, 24)])
def test_a_run_killed_at_any_write_of_its_own_is_resumed(tmp_path, monkeypatch, write, after):
    house, fuse = small(tmp_path), Fuse(write, after)
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "Stores", lambda mapping: FusedStores(mapping, fuse))
        with pytest.raises(Crash):
            run_job(house.manifests(), house.options(), cluster=ThreadCluster(lambda silo, given: house.stores))
    uid = next((tmp_path / "state/jobs").iterdir()).name
    finished = (output(house, uid) / "report.html").exists() and not unfinished(house)
    result = run_job(house.manifests(), house.options(resume=True), cluster=ThreadCluster())
    assert finished or result.uid == uid
    check_job(house, uid, 2)


def unfinished(house: House) -> bool:
    return StateDirectory(house.root / "state").unfinished(house.manifests().job().digest()) is not None


def test_a_run_makes_23_writes(tmp_path, monkeypatch):
    """Keeps the range above honest."""
    house, fuse = small(tmp_path), Fuse()
    monkeypatch.setattr(run_module, "Stores", lambda mapping: FusedStores(mapping, fuse))
    run_job(house.manifests(), house.options(), cluster=ThreadCluster(lambda silo, given: house.stores))
    assert fuse.writes == 23, fuse.log


def test_without_privacy_a_killed_job_ends_with_the_same_bits(tmp_path):
    models = []
    for name, fuse in (("whole", Fuse()), ("killed", Fuse(2, after=False))):
        house = small(tmp_path / name, private=False)
        result = run_job(house.manifests(), house.options(), cluster=ThreadCluster(fused(fuse)))
        models.append((output(house, result.uid) / "model.safetensors").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize(
    "loss", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x" * 99)], ids=["gone", "altered"]
)
def test_staged_bytes_that_are_lost_after_the_charge_are_sat_out_and_never_made_again(tmp_path, loss):
    house = small(tmp_path)
    losing = {"left": 1}

    def stores(name, given):
        if name == "mercy" and losing["left"]:
            losing["left"] -= 1
            return FusedStores(given.mapping, Fuse(4, after=True))  # the charge landed, nothing is published
        for staged in (tmp_path / "store/mercy/readmissions/staging").glob("*/*/*"):
            loss(staged)
        return given

    result = run_job(house.manifests(quorum=2), house.options(), cluster=ThreadCluster(stores))
    assert [sorted(commit.members) for commit in result.commits] == [["northside", "stjude"], list(house.silos)]
    assert (output(house, result.uid) / "rounds/1/absent/mercy").exists(), "nobody had to wait for the deadline"
    check_job(house, result.uid, 2)


def test_a_silo_that_keeps_dying_costs_the_quorum_and_gives_back_what_was_not_charged(tmp_path):
    house = small(tmp_path)

    def stores(name, given):
        return FusedStores(given.mapping, Fuse(3)) if name == "mercy" else given

    with pytest.raises(QuorumLost, match="mercy: its process died and no attempt is left"):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster(stores))
    assert not any(house.view(silo).open_reservations() for silo in house.silos)
    result = run_job(house.manifests(), house.options(resume=True), cluster=ThreadCluster())
    assert len(result.commits) == 2
    check_job(house, result.uid, 2)


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_an_unfinished_run_is_told_of(tmp_path):
    house = small(tmp_path)
    with pytest.raises(QuorumLost):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster(lambda n, given: fused(Fuse(3), n)(n, given)))
    uid = next((tmp_path / "state/jobs").iterdir()).name
    notes = Notes()
    run_job(house.manifests(), house.options(), notes, ThreadCluster())
    assert any(f"({uid}): --resume continues it" in told for told in notes.told)
