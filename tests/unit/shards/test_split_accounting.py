"""Rows kept for scores and the budget: whose loss they share, by the unit that the ledger protects."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, OTHER, request, reserved, rows, url_of

from ringfence.errors import BudgetExhausted
from ringfence.privacy.ledger.operations import close, reserve
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_dataset
from ringfence.shards.rotate import Rotation, rotate
from ringfence.shards.seal import SealKeys, seal
from ringfence.store import Stores


def sealed(folder, unit):
    """Twenty persons in forty rows, about half of them kept for scores, and a ledger with a limit."""
    manifest = seal(request(url_of(folder), unit=unit, source=rows(40), validation="0.5"), Stores(), KEYS).manifest
    assert manifest.training and manifest.validation
    ledger = reserved(folder, manifest)
    close(ledger, KEYS.signer, job="job", silo="mercy", reason="")
    return manifest, ledger


def ask(ledger, job, shards, cost):
    """A reservation of one round on `shards`, otherwise like the one that was closed."""
    first = next(iter(ledger.view.every_reservation())).reserve
    named = tuple(shard.id for shard in shards)
    reserve(ledger, KEYS.signer, replace(first, job=job, job_name=job, shards=named, cost=cost))


def test_a_user_kept_for_scores_pays_for_training_and_for_scores(tmp_path):
    """One block: no charge on one part leaves the other part's users with less than what was charged."""
    manifest, ledger = sealed(tmp_path, "User:person")
    all_of_it = tuple(max(1, most) for most in ledger.view.limit.limits)
    ask(ledger, "trains", manifest.training, all_of_it)
    for shard in manifest.validation:
        assert ledger.view.committed(shard.id) == all_of_it
    with pytest.raises(BudgetExhausted):
        ask(ledger, "scores", manifest.validation, (1,) * len(all_of_it))


def test_a_record_kept_for_scores_pays_for_scores_only(tmp_path):
    manifest, ledger = sealed(tmp_path, "Record")
    all_of_it = tuple(max(1, most) for most in ledger.view.limit.limits)
    ask(ledger, "trains", manifest.training, all_of_it)
    for shard in manifest.validation:
        assert not any(ledger.view.committed(shard.id))
    ask(ledger, "scores", manifest.validation, all_of_it)
    for part in (manifest.training, manifest.validation):
        with pytest.raises(BudgetExhausted):
            ask(ledger, "again", part, (1,) * len(all_of_it))


def persons(folder, kek):
    store = Stores().open(url_of(folder))
    manifest = read_manifest(store, signer=KEYS.public)
    tables = (open_dataset(store, manifest, kek, part=part) for part in ("training", "validation"))
    return [set(table["person"].to_pylist()) for table in tables], manifest


def test_no_user_is_ever_on_both_sides(tmp_path):
    sealed(tmp_path, "User:person")
    new = SealKeys(OTHER.kek, KEYS.signer)
    rotate(Rotation(url=url_of(tmp_path), old=KEYS, new=new), Stores())
    seal(request(url_of(tmp_path), unit="User:person", source=rows(60), append=True), Stores(), new)
    rotate(Rotation(url=url_of(tmp_path), old=new, new=KEYS, reseal=True), Stores())
    (training, validation), manifest = persons(tmp_path, KEYS.kek)
    assert training and validation and not training & validation
    assert manifest.units == len(training), "the sampling rate is that of users who are trained on"
