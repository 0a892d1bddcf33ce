"""The words of a statement that depend on whom it protects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class UnitWords:
    """`one` unit, `many` of them, what is `blanked` out in the comparison, and the sentences that differ as a whole."""

    one: str
    many: str
    protected: str
    blanked: str
    presence: str
    sampled: str
    several: str
    in_each: str


WORDS: Mapping[str, UnitWords] = {
    "Record": UnitWords(
        one="record",
        many="records",
        protected="one record at a time: any single one of the training records of each dataset",
        blanked="that record's values been blanked out",
        presence="that record's values were there",
        sampled="every step drew each record on its own with the same probability",
        several="A person with several records in one dataset: the guarantee is for one record and weakens with each "
        "more.",
        in_each="a record",
    ),
    "User": UnitWords(
        one="user",
        many="users",
        protected="one user at a time: all training records of any single user of each dataset together",
        blanked="all of that user's records been blanked out",
        presence="that user's records were there",
        sampled="every round drew each user on its own with the same probability",
        several="A person who stands in one dataset as several users: the guarantee is for one of them and weakens "
        "with each more. Who is one user, the owner's user column says.",
        in_each="records",
    ),
    "Silo": UnitWords(
        one="silo",
        many="silos",
        protected="one silo at a time: all training records of any single silo together",
        blanked="all of that silo's records been blanked out",
        presence="that silo's records were there",
        sampled="every silo took part in every round",
        several="A person in one silo is protected as the whole silo is. What the coordinator itself learns is not "
        "covered: it sees each silo's clipped update.",
        in_each="records",
    ),
}
