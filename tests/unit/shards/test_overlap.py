"""Persons in several datasets of one owner are found when rows are sealed, and what that means is said before."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import CANARY, KEYS, OTHER, SCHEMA, request, rows, url_of

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.operations import set_limit
from ringfence.schema import DatasetSchema
from ringfence.shards.overlap import Overlap, Shared
from ringfence.shards.seal import SealKeys, seal
from ringfence.shards.sealed_quality import open_quality
from ringfence.store import Stores

USER = "User:person"


def sealed(folder: Path, first: int, count: int = 10, **changed) -> str:
    """A dataset of persons `first` / 2 on: every person has two rows."""
    given = {"unit": USER, "source": rows(count, first), "overlap": True, **changed}
    seal(request(url_of(folder), **given), Stores(), KEYS)
    return url_of(folder)


def limited(url: str, epsilon: str) -> str:
    store = Stores().open(url)
    from ringfence.shards.manifest import read_manifest

    pin = read_manifest(store, signer=None).ledger
    ledger = Ledger.open(store, pin=pin.entry0)
    set_limit(ledger, KEYS.signer, epsilon=Decimal(epsilon), delta=Decimal("1e-6"))
    return url


def sealing(folder: Path, *beside: str, **changed):
    given = {"unit": USER, "source": rows(10, 6), "beside": beside, **changed}
    return seal(request(url_of(folder), **given), Stores(), changed.pop("keys", KEYS))


def test_persons_in_another_dataset_are_refused_with_what_adds_up_and_nothing_is_written(tmp_path):
    other = limited(sealed(tmp_path / "one", 0), "8")
    with pytest.raises(InvalidInput) as refusal:
        sealing(tmp_path / "two", other)
    assert str(refusal.value) == (
        f"{url_of(tmp_path / 'two')}: 2 of 5 persons stand in {other} too, whose limit is epsilon 8 at delta 0.000001; "
        "a person in 2 datasets has 2 guarantees, whose epsilons and deltas add up (epsilon 8 at delta 0.000001 there "
        "already): open this one's budget with that in mind; append to that dataset, whose one ledger then counts "
        "both, or accept it with --overlap"
    )
    assert not (tmp_path / "two").exists()


def test_what_the_owner_accepts_is_in_the_sealed_report_and_nowhere_in_the_clear(tmp_path):
    one, three = sealed(tmp_path / "one", 0), sealed(tmp_path / "three", 8, 4)
    result = sealing(tmp_path / "two", one, three, overlap=True)
    found = result.overlap
    assert [shared.persons for shared in found.shared] == [2, 2]
    assert found.several == (2, 1), "two persons in one other dataset, one in both"
    assert found.words()[-1].startswith("a person in 3 datasets has 3 guarantees, whose epsilons and deltas add up:")
    report = open_quality(Stores().open(result.url), result.manifest, KEYS.kek)
    assert report["overlap"]["several"] == [2, 1] and report["overlap"]["persons"] == 5
    assert [one["persons"] for one in report["overlap"]["shared"]] == [2, 2]
    for path in (tmp_path / "two").rglob("*"):
        if path.is_file():
            assert b"overlap" not in path.read_bytes() and CANARY.encode() not in path.read_bytes()


def test_nobody_in_both_is_sealed_without_a_word(tmp_path):
    result = sealing(tmp_path / "two", sealed(tmp_path / "one", 100))
    assert result.overlap.most == 0 and result.overlap.words() == []


def test_persons_kept_for_scores_count_too(tmp_path):
    other = sealed(tmp_path / "one", 0, 40, validation="0.5")
    result = sealing(tmp_path / "two", other, overlap=True)
    assert result.overlap.shared[0].persons == 5


def test_appended_rows_are_compared_with_others_and_not_with_their_own_dataset(tmp_path):
    own, other = sealed(tmp_path / "own", 0), sealed(tmp_path / "one", 20)
    sealing(tmp_path / "own", own, other, source=rows(4, 0), append=True)
    with pytest.raises(InvalidInput, match=r"1 of 2 persons stand in file://.*/one too"):
        sealing(tmp_path / "own", own, other, source=rows(4, 18), append=True)


def test_of_unit_record_it_is_told_and_not_refused(tmp_path):
    result = sealing(tmp_path / "two", sealed(tmp_path / "one", 0), unit="Record")
    assert result.overlap.shared[0].persons == 2


RENAMED = DatasetSchema.model_validate(
    {"columns": [{**c, "name": "client"} if c["name"] == "person" else c for c in SCHEMA.document()["columns"]]}
)


def test_what_cannot_be_compared_is_named_with_the_reason(tmp_path):
    renamed = sealed(
        tmp_path / "a", 0, source=rows().rename_columns(["age", "ward", "client", "ill"]), schema=RENAMED,
        unit="User:client",
    )  # fmt: skip
    gone, public = url_of(tmp_path / "b"), sealed(tmp_path / "c", 0, unit="Record", public=True, overlap=False)
    other = url_of(tmp_path / "d")
    seal(request(other, unit=USER), Stores(), OTHER)
    rewrapped = url_of(tmp_path / "e")
    seal(request(rewrapped, unit=USER), Stores(), SealKeys(OTHER.kek, KEYS.signer))
    found = sealing(tmp_path / "two", renamed, gone, public, other, rewrapped).overlap
    assert found.shared == ()
    assert dict(found.passed_over) == {
        renamed: "its unit column is 'client', and not 'person'",
        gone: "no dataset here: there is no manifest",
        other: "it is another owner's",
        rewrapped: f"sealed under {OTHER.kek.id}, the key given is {KEYS.kek.id}",
    }
    assert found.gone == (gone,)


def test_a_public_dataset_compares_nobody(tmp_path):
    with pytest.raises(InvalidInput, match="the persons of a public dataset are not compared"):
        sealing(tmp_path / "two", "file:///x", unit="Record", public=True)


def test_the_most_that_one_person_can_add_up_is_counted_and_no_more():
    def other(name, persons, limit):
        return Shared(name, name, persons, (limit, "1e-6") if limit else None)

    found = Overlap(9, (other("a", 3, "8"), other("b", 1, "2"), other("c", 4, "4"), other("d", 0, "9")), (4, 2, 0))
    assert found.most == 2, "nobody stands in three others"
    assert found.adds_up() == (Decimal(12), Decimal("2e-6"))
    unknown = Overlap(9, (other("a", 3, "8"), other("b", 1, None)), (4, 0))
    assert unknown.adds_up() is None
    assert "there already" not in " ".join(unknown.words())
