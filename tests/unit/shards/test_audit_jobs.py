"""What jobs do is in the audit log, in the words of a key that the ledger endorses; what is missing is named."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, FailingStore, FailingStores, request, reserved, url_of

from ringfence.errors import KeyRejected, ShardUnavailable, StoreError, TermsRefused
from ringfence.privacy.ledger.entries import Charge
from ringfence.privacy.ledger.operations import add_writer, charge
from ringfence.shards import open as opening
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import JobNote
from ringfence.shards.audit_story import tell
from ringfence.shards.auditing import examine
from ringfence.shards.job_log import JobLog
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import seal
from ringfence.shards.terms import Terms
from ringfence.signing import public_name
from ringfence.store import Stores

SILO = OTHER.signer  # the silo's key of the job: here the owner's key is not
JOB = JobNote(uid="job", name="job", consumer="research", silo="mercy")
TERMS = Terms(retain_until="2030-06-30")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A dataset whose ledger holds one job's reservation."""
    folder = tmp_path_factory.mktemp("sealed")
    manifest = seal(request(url_of(folder), terms=TERMS), Stores(), KEYS).manifest
    reserved(folder, manifest, SILO)
    return folder


@pytest.fixture
def place(sealed, tmp_path):
    shutil.copytree(sealed, tmp_path / "copy")
    return Place(tmp_path / "copy")


class Place:
    """One dataset: its store, manifest, ledger, and the log as a silo, an operator or the owner writes it."""

    def __init__(self, folder):
        from ringfence.privacy.ledger.ledger import Ledger

        self.folder, self.store = folder, Stores().open(url_of(folder))
        self.manifest = read_manifest(self.store, signer=KEYS.public)
        self.ledger = Ledger.open(self.store, pin=self.manifest.ledger.entry0)

    def log(self, key=SILO, store=None):
        return AuditLog(store or self.store, self.manifest.dataset, key, self.ledger)

    def open(self, *, kek=KEYS.kek, job=JOB, key=SILO):
        with JobLog(self.log(key), self.manifest, job).opening():
            return open_dataset(self.store, self.manifest, kek)

    def charge(self):
        held = self.ledger.refresh().reservations["job", "mercy"]
        charge(self.ledger, SILO, Charge("job", "mercy", 1, "sha256:" + "1" * 64, held.reserve.cost))

    def examined(self):
        return examine(self.store, self.store, self.manifest, self.ledger)

    def faults(self):
        return [fault.replace(self.store.url, "URL") for fault in self.examined().faults]

    def story(self):
        return list(tell(self.examined(), self.ledger))

    def refused(self, key, **words):
        named = JOB.model_copy(update={"reason": "TermsRefused", **words})
        version, digest = self.manifest.version, self.manifest.digest()
        self.log(key).record("refused", version=version, manifest=digest, job=named)


def test_an_opening_is_told_before_a_row_is_read_and_a_release_by_its_charge(place):
    assert place.open().num_rows == 10
    place.charge()
    assert place.faults() == []
    opened, charged = place.story()[-2:]
    assert opened.endswith("silo mercy opened shards for job job (job) of research, version 1, 3 shards")
    assert charged.startswith("ledger    4  silo mercy charges round 1 of job job, before sha256:11111111")


def test_a_log_that_cannot_be_written_opens_nothing(place):
    class Unwritable(FailingStore):
        def put_if_absent(self, key, data):
            raise StoreError("no space")

    log, opened = place.log(store=Unwritable(place.store, FailingStores(-1, ""))), []
    with pytest.raises(StoreError, match="cannot tell whether"), JobLog(log, place.manifest, JOB).opening():
        opened.append(True)
    assert not opened


def test_a_shard_that_does_not_hold_is_told_by_name_and_without_a_value(place):
    shard = place.manifest.training[1]
    path = place.folder / shard.key
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShardUnavailable):
        place.open()
    last = place.examined().entries[-1]
    assert (last.event, last.job.reason, last.job.object) == ("refused", "ShardUnavailable", shard.key)
    assert place.story()[-1].endswith(
        f"silo mercy refused for job job (job) of research: ShardUnavailable, at {shard.key}, version 1"
    )
    assert place.faults() == []


def test_another_key_and_a_day_too_late_are_told(place, monkeypatch):
    with pytest.raises(KeyRejected):
        place.open(kek=OTHER.kek)
    assert place.examined().entries[-1].job.reason == "KeyRejected"
    monkeypatch.setattr(opening, "datetime", Later)
    with pytest.raises(TermsRefused):
        place.open()
    last = place.examined().entries[-1].job
    assert (last.reason, last.clauses) == ("TermsRefused", ("retainUntil",))


def test_no_row_stands_in_the_log(place):
    place.open()
    path = place.folder / place.manifest.training[0].key
    path.write_bytes(b"")
    with pytest.raises(ShardUnavailable):
        place.open()
    for path in (place.folder / "audit").iterdir():
        assert CANARY not in path.read_text()


def test_a_round_charged_without_an_entry_that_tells_of_an_opening_is_named(place):
    place.open()
    place.charge()
    (place.folder / "audit" / "1").unlink()  # the end of the log is cut off
    index = place.ledger.view.head.index
    told = f"URL/ledger/{index}: silo mercy of job job charged a round, and no entry tells that it opened shards"
    assert place.faults() == [told]
    place.open()  # too late: what was opened before the charge stays untold
    assert place.faults() == [told]


OTHERS_JOB = "signed by the key of silo mercy in job job, whose reservation says another thing"


@pytest.mark.parametrize(
    "said", [{"uid": "another"}, {"silo": "stjude"}, {"name": "else"}, {"consumer": "marketing"}], ids=str
)
def test_a_silo_cannot_speak_for_another_job(place, said):
    place.open(job=JOB.model_copy(update=said))
    assert place.faults() == [f"URL/audit/1: {OTHERS_JOB}"]


def test_a_silo_cannot_speak_of_another_version_or_before_its_reservation(place):
    place.log().record("opened", version=2, manifest=place.manifest.digest(), job=JOB)
    before = AuditLog(place.store, place.manifest.dataset, SILO, None)
    before.record("opened", version=1, manifest=place.manifest.digest(), job=JOB)
    assert place.faults() == [f"URL/audit/1: {OTHERS_JOB}", f"URL/audit/2: {OTHERS_JOB}"]


def test_a_silo_cannot_speak_as_the_owner(place):
    place.log().record("erased")
    assert place.faults() == [f"URL/audit/1: {OTHERS_JOB}"]


def test_an_operator_may_say_that_it_refused_and_nothing_else(place):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    operator = Ed25519PrivateKey.from_private_bytes(b"O" * 32)
    add_writer(place.ledger, KEYS.signer, public_name(operator), "the operator")
    place.refused(operator, uid="", clauses=("purposes", "residency"))
    assert place.faults() == []
    assert place.story()[-1].endswith(
        "the operator refused for job job of research: TermsRefused, by purposes, residency, version 1"
    )
    place.open(key=operator)
    place.log(operator).record("accessed")
    assert [fault.partition(": signed by ed25519:")[0] for fault in place.faults()] == ["URL/audit/2", "URL/audit/3"]


def test_an_owner_cannot_say_that_a_job_opened(place):
    place.open(key=KEYS.signer)
    (fault,) = place.faults()
    assert fault.startswith("URL/audit/1: signed by ed25519:")


def test_a_job_announces_no_manifest(place):
    """Or a silo could cover a manifest that bypassed the log."""
    (place.folder / "audit" / "0").unlink()
    place.open()
    assert "URL/manifest/1: published without an entry in the audit log" in place.faults()


class Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2030, 7, 1, 12, tzinfo=UTC)
