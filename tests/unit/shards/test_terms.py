"""Terms in the manifest: every clause refuses by name, and a file of terms is read strictly."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shard_samples import KEYS, request, rows, url_of
from support.hospitals import House

from ringfence import signing
from ringfence.errors import InvalidInput
from ringfence.shards.manifest import read_manifest
from ringfence.shards.seal import seal
from ringfence.shards.terms import Terms, load_terms, refusals, words
from ringfence.store import Stores

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def job(**changed):
    return House(Path("nowhere"), private=False).manifests(**changed).job()


@pytest.mark.parametrize(
    ("terms", "changed", "expected"),
    [
        ({}, {}, []),
        ({"purposes": ("care",)}, {"purpose": "care"}, []),
        ({"purposes": ("care",)}, {"purpose": "ads"}, ["clause purposes: purpose ads is not among care"]),
        ({"purposes": ("care",)}, {}, ["clause purposes: purpose (none) is not among care"]),
        ({"opt_outs": ("ads",)}, {"purpose": "care"}, []),
        ({"opt_outs": ("ads",)}, {"purpose": "ads"},
         ["clause optOuts: people in the data have objected to purpose ads"]),
        ({"opt_outs": ("ads",)}, {}, ["clause optOuts: the job names no purpose, and ads is objected to"]),
        ({"purposes": ("ads",), "opt_outs": ("ads",)}, {"purpose": "ads"},
         ["clause optOuts: people in the data have objected to purpose ads"]),
        ({"consumers": ("research",)}, {}, []),
        ({"consumers": ("care",)}, {}, ["clause consumers: namespace research is not among care"]),
        ({"residency": ("eu",)}, {"region": "eu"}, []),
        ({"residency": ("eu", "ch")}, {"region": "us"}, ["clause residency: region us is not among eu, ch"]),
        ({"residency": ("eu",)}, {}, ["clause residency: region (none) is not among eu"]),
        ({"retain_until": "2026-06-01"}, {}, []),
        ({"retain_until": "2026-05-31"}, {}, ["clause retainUntil: the rows may not be opened after 2026-05-31"]),
        ({"retain_until": "2026-06-01"}, {"activeDeadlineSeconds": 43_199}, []),
        ({"retain_until": "2026-06-01"}, {"activeDeadlineSeconds": 43_200},
         ["clause retainUntil: the job may last until after 2026-06-01: set a shorter activeDeadlineSeconds"]),
        ({"purposes": ("care",), "residency": ("eu",)}, {},
         ["clause purposes: purpose (none) is not among care", "clause residency: region (none) is not among eu"]),
    ],
)  # fmt: skip
def test_each_clause_refuses_by_name(terms, changed, expected):
    found = refusals(Terms(**terms), job(**changed), NOON)
    assert list(found.values()) == expected
    assert all(words.startswith(f"clause {clause}: ") for clause, words in found.items())


def test_no_terms_refuse_nothing():
    assert refusals(None, job(), NOON) == {}


def test_the_last_day_ends_at_midnight_utc_wherever_the_clock_stands():
    terms = Terms(retain_until="2026-06-01")
    assert not terms.expired(datetime(2026, 6, 2, 1, tzinfo=timezone(timedelta(hours=2))))
    assert terms.expired(datetime(2026, 6, 1, 23, tzinfo=timezone(timedelta(hours=-2))))


def test_terms_are_signed_kept_by_appends_and_replaced_on_request(tmp_path):
    terms = Terms(purposes=("care",), retain_until="9000-01-01", licence="CC BY 4.0")
    seal(request(url_of(tmp_path), terms=terms), Stores(), KEYS)
    assert seal(request(url_of(tmp_path), source=rows(2, 10), append=True), Stores(), KEYS).manifest.terms == terms
    other = Terms(purposes=("care", "billing"))
    seal(request(url_of(tmp_path), source=rows(2, 12), append=True, terms=other), Stores(), KEYS)
    manifest = read_manifest(Stores().open(url_of(tmp_path)), signer=signing.public_name(KEYS.signer))
    assert manifest.terms == other and manifest.document()["terms"]["purposes"] == ["care", "billing"]


def test_a_file_of_terms_is_read_and_said_in_words(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text("purposes: [care]\noptOuts: [ads]\nretainUntil: 2030-01-31\nlegalBasis: consent\nresidency: [eu]\n")
    assert words(load_terms(path)) == [
        "purposes: care", "optOuts: ads", "residency: eu", "retainUntil: 2030-01-31", "legalBasis: consent",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("purpose: [care]", "unknown clause 'purpose'; did you mean 'purposes'?"),
        ("- care", "terms are a mapping of clauses; of purposes, optOuts, "),
        ("purposes: care", "clause purposes: "),
        ("purposes: [Care]", "clause purposes: String should match pattern"),
        ("retainUntil: 2030-02-30", "clause retainUntil: "),
        ("retainUntil: soon", "clause retainUntil: String should match pattern"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_of_terms_is_refused(tmp_path, text, message):
    path = tmp_path / "terms.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refusal:
        load_terms(path)
    assert str(refusal.value).startswith(f"{path}: ") and message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_file_of_terms_is_said_so(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot be read \(No such file or directory\)"):
        load_terms(tmp_path / "none.yaml")
