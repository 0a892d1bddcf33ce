"""A person's rows are found, and removed from every version that opens; what they taught is named, not hidden."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, SCHEMA, Crashed, FailingStores, request, reserved, rows, url_of

from ringfence import signing
from ringfence.errors import InvalidInput, LedgerError, ShardUnavailable, StoreError, TermsRefused
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.schema import DatasetSchema
from ringfence.shards.drawing import FetchedDataset
from ringfence.shards.expire import sweep_expired
from ringfence.shards.manifest import read_manifest, read_manifest_version
from ringfence.shards.open import open_dataset
from ringfence.shards.seal import seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.shards.subject import Subject, erase, held_on
from ringfence.shards.terms import Terms
from ringfence.store import Stores

OWNER = signing.public_name(KEYS.signer)
PERSON = f"{CANARY}-1"  # rows 2 and 3, both in the first shard


@pytest.fixture
def dataset(tmp_path):
    seal(request(url_of(tmp_path), unit="User:person"), Stores(), KEYS)
    seal(request(url_of(tmp_path), unit="User:person", source=rows(4, 2), append=True), Stores(), KEYS)
    return tmp_path


def subject(folder, unit=PERSON):
    return Subject(url=url_of(folder), unit=unit, keys=KEYS)


def store_of(folder):
    return Stores().open(url_of(folder))


def current(folder):
    return read_manifest(store_of(folder), signer=OWNER)


def people(folder, manifest):
    return set(open_dataset(store_of(folder), manifest, KEYS.kek).column("person").to_pylist())


class TestErase:
    def test_the_person_is_in_no_version_that_opens(self, dataset):
        assert PERSON in people(dataset, current(dataset))
        done = erase(subject(dataset), Stores())
        assert (done.records, done.manifest.version, done.manifest.records, done.manifest.units) == (4, 3, 10, 4)
        assert PERSON not in people(dataset, current(dataset))
        for version in (1, 2):
            with pytest.raises(ShardUnavailable, match="the shard is missing"):
                people(dataset, read_manifest_version(store_of(dataset), version, signer=OWNER))
        listed = {shard.key for shard in current(dataset).shards}
        assert {info.key for info in store_of(dataset).list("shards")} == listed
        assert store_of(dataset).list("quality") == []
        with pytest.raises(ShardUnavailable, match="no quality report: an erasure destroyed it"):
            open_quality(store_of(dataset), current(dataset), KEYS.kek)

    def test_untouched_shards_stay_and_the_ledger_knows_heirs_and_the_dead(self, dataset):
        before = current(dataset)
        done = erase(subject(dataset), Stores())
        view = Ledger.open(store_of(dataset), pin=before.ledger.entry0).view
        touched = {shard.id for shard in before.shards} - {shard.id for shard in done.manifest.shards}
        assert touched == view.erased == {before.shards[0].id, before.shards[3].id}

    def test_erasing_twice_changes_nothing(self, dataset):
        first = erase(subject(dataset), Stores()).manifest
        again = erase(subject(dataset), Stores())
        assert (again.manifest, again.records, again.destroyed) == (first, 0, ())

    def test_a_person_who_is_not_there_costs_no_version(self, dataset):
        done = erase(subject(dataset, "nobody"), Stores())
        assert (done.records, done.manifest.version) == (0, 2)

    def test_the_models_that_had_the_rows_are_listed_with_what_their_statements_guarantee(self, dataset):
        ledger = reserved(dataset, current(dataset))
        with pytest.raises(LedgerError, match="1 jobs hold reservations on the shards that erasing destroys: job; let"):
            erase(subject(dataset), Stores())
        assert PERSON in people(dataset, current(dataset))
        operations.close(ledger, KEYS.signer, job="job", silo="mercy", reason="ended")
        (job,) = erase(subject(dataset), Stores()).jobs
        assert job.words() == "job job (job) of research: released nothing"
        (same,) = held_on(subject(dataset, f"{CANARY}-0"), Stores()).jobs
        assert (same.job, same.epsilon, same.delta) == ("job", "1", "1e-6")

    def test_a_person_alone_in_the_dataset_is_refused_and_nothing_changes(self, tmp_path):
        alone = rows(4).set_column(2, "person", pa.array([PERSON] * 4))
        seal(request(url_of(tmp_path), unit="User:person", source=alone), Stores(), KEYS)
        with pytest.raises(InvalidInput, match="no other record would be left to train on; delete the whole dataset"):
            erase(subject(tmp_path), Stores())
        assert people(tmp_path, current(tmp_path)) == {PERSON}

    def test_without_a_unit_column_nobody_can_be_found(self, tmp_path):
        columns = [column for column in SCHEMA.document()["columns"] if column["name"] != "person"]
        schema = DatasetSchema.model_validate({"columns": columns})
        seal(request(url_of(tmp_path), schema=schema), Stores(), KEYS)
        for find in (held_on, erase):
            with pytest.raises(InvalidInput, match="no column says whose a row is, so nobody can be found in it; seal"):
                find(subject(tmp_path), Stores())

    def test_an_object_that_a_lock_keeps_is_named_and_erasing_again_goes_on(self, dataset):
        class Locked(FailingStores):
            def open(self, url):
                store = super().open(url)
                store.purge = lambda key: (_ for _ in ()).throw(StoreError("cannot destroy every version: locked"))
                return store

        with pytest.raises(StoreError, match=r"4 of 4 objects are still there: quality/1, quality/2, shards/sh-"):
            erase(subject(dataset), Locked(-1, ""))
        assert PERSON not in people(dataset, current(dataset))
        assert len(erase(subject(dataset), Stores()).destroyed) == 4

    def test_a_crash_at_any_write_loses_nobody_else(self, dataset, tmp_path_factory):
        import shutil

        counting = FailingStores(-1, "never")
        folder = tmp_path_factory.mktemp("count")
        shutil.copytree(dataset, folder, dirs_exist_ok=True)
        erase(subject(folder), counting)
        for step in range(len(counting.writes)):
            folder = tmp_path_factory.mktemp("crash")
            shutil.copytree(dataset, folder, dirs_exist_ok=True)
            with pytest.raises(Crashed):
                erase(subject(folder), FailingStores(step, "after"))
            erase(subject(folder), Stores())
            assert people(folder, current(folder)) == {f"{CANARY}-{n}" for n in (0, 2, 3, 4)}
            listed = {shard.key for shard in current(folder).shards}
            assert {info.key for info in store_of(folder).list("shards")} == listed


class TestAccess:
    def test_all_rows_of_a_person_are_found_and_no_others(self, dataset):
        held = held_on(subject(dataset), Stores())
        assert held.records.drop_columns("shard").to_pylist() == rows(2, 2).to_pylist() * 2
        assert set(held.records.column("shard").to_pylist()) == {current(dataset).shards[n].id for n in (0, 3)}
        assert held_on(subject(dataset, "nobody"), Stores()).records.num_rows == 0


class TestRetention:
    def test_expired_shards_are_not_opened_and_are_swept(self, tmp_path):
        terms = Terms(retain_until="2020-02-29")
        manifest = seal(request(url_of(tmp_path), terms=terms), Stores(), KEYS).manifest
        message = r"clause retainUntil: the rows may not be opened after 2020-02-29; their owner sweeps them"
        with pytest.raises(TermsRefused, match=message):
            open_dataset(store_of(tmp_path), manifest, KEYS.kek)
        with pytest.raises(TermsRefused, match=message):
            FetchedDataset.fetch(store_of(tmp_path), manifest, KEYS.kek)
        gone = sweep_expired(url_of(tmp_path), Stores(), KEYS, datetime.now(UTC))
        assert len(gone) == 4 and store_of(tmp_path).list("shards") == []
        assert sweep_expired(url_of(tmp_path), Stores(), KEYS, datetime.now(UTC)) == []
        assert current(tmp_path) == manifest

    @pytest.mark.parametrize(
        ("terms", "message"),
        [
            (Terms(retain_until="9000-01-01"), "its rows may be kept until 9000-01-01"),
            (Terms(purposes=("x",)), "its terms name no last day"),
            (None, "its terms name no last day"),
        ],
        ids=["later", "no day", "no terms"],
    )
    def test_what_is_not_expired_is_not_swept(self, tmp_path, terms, message):
        seal(request(url_of(tmp_path), terms=terms), Stores(), KEYS)
        with pytest.raises(InvalidInput, match=message):
            sweep_expired(url_of(tmp_path), Stores(), KEYS, datetime.now(UTC))
        assert len(store_of(tmp_path).list("shards")) == 3
