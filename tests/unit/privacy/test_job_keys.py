"""A job's keys: derived from one master key alike in every attempt, and different for every party and job."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import KeyRejected
from ringfence.privacy import jobkeys

MASTER = bytes(range(32))


def test_an_attempt_after_a_crash_has_the_keys_that_the_reservation_names() -> None:
    assert jobkeys.derive(MASTER, "uid-1", "mercy").public == jobkeys.derive(MASTER, "uid-1", "mercy").public


def test_no_two_parties_jobs_or_masters_share_a_key() -> None:
    parties = [("uid-1", "a"), ("uid-1", "b"), ("uid-2", "a"), ("uid-1a", "")]
    publics = [jobkeys.derive(MASTER, *party).public for party in parties]
    publics.append(jobkeys.derive(bytes(32), "uid-1", "a").public)
    assert len({key.sign for key in publics} | {key.seal for key in publics}) == 2 * len(publics)


def test_keys_in_a_mounted_secret_are_the_derived_ones(tmp_path: Path) -> None:
    keys = jobkeys.derive(MASTER, "uid-1", "mercy")
    (tmp_path / "keys").write_text(keys.document())
    assert jobkeys.load(tmp_path / "keys").public == keys.public


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(KeyRejected, match="a master key has at least 32 bytes"):
        jobkeys.derive(bytes(31), "uid-1", "mercy")
