"""Direct identifiers are noticed by name and by what their values look like; check digits are checked."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ringfence.quality import propose_schema
from ringfence.quality.personal import iban, luhn, nhs_number, personal_columns

# Published examples: ISO 13616 registry, card issuers' test numbers, the NHS data dictionary.
IBANS = ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR1420041010050500013M02606"]
CARDS = ["4111 1111 1111 1111", "378282246310005", "5555555555554444"]
NHS = ["943 476 5919", "9434765919", "401 023 2137"]


@pytest.mark.parametrize(
    ("check", "right"), [(iban, IBANS), (luhn, CARDS), (nhs_number, NHS)], ids=["iban", "card", "nhs"]
)
def test_check_digits_hold_for_published_numbers_and_for_no_neighbour(check, right):
    for text in right:
        assert check(text)
        for place, digit in enumerate(text):
            if digit.isdigit():
                other = text[:place] + str((int(digit) + 1) % 10) + text[place + 1 :]
                assert not check(other)
    assert not check("") and not check("hello") and not check("1" * 40)


VALUES = {
    "e-mail addresses": ["a@b.example", "anna.b@c.example.org", "x+y@z.example"],
    "account numbers (IBAN)": IBANS,
    "payment card numbers": CARDS,
    "NHS numbers": NHS,
    "social security numbers": ["078-05-1120", "219-09-9999", "457-55-5462"],
    "telephone numbers": ["+44 20 7946 0018", "+1 (212) 555-0100", "+49 30 901820"],
    "network addresses": ["192.0.2.1", "198.51.100.7", "203.0.113.255"],
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.replace(" ", "-"))
def test_a_column_is_known_by_most_of_its_values(kind):
    assert personal_columns(pa.table({"c": [*VALUES[kind], None]})) == {"c": kind}
    assert personal_columns(pa.table({"c": [VALUES[kind][0], *["no"] * 5]})) == {}


@pytest.mark.parametrize(
    "name", ["email", "Contact_Email", "patientSurname", "patient_last_name_1", "date of birth", "homePhone", "SSN"]
)
def test_a_column_is_known_by_its_name(name):
    assert name in personal_columns(pa.table({name: [1, 2, 3]}))


@pytest.mark.parametrize("name", ["emails_sent_count_", "phonetics", "age", "addressed", "mailing"])
def test_a_word_within_a_word_is_no_hint(name):
    assert personal_columns(pa.table({name: [1, 2, 3]})) == {}


def test_a_proposed_schema_leaves_them_out_unless_their_role_is_named():
    rows = pa.table({"email": [f"u{n % 3}@b.example" for n in range(60)], "age": [n % 40 for n in range(60)]})
    assert propose_schema(rows).column("email").role == "ignore"
    assert propose_schema(rows, unit="email").column("email").role == "unit"
