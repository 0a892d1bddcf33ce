"""Rows as an owner has them -> rows that satisfy the declared schema, and a report that only the owner sees.

Cleaning is by record, with declared constants: what happens to one record never depends on another. (Exact duplicates
may be dropped, if the schema says so.) Whatever looks across records only reports.
"""

from ringfence.quality.checks import check_cleaned
from ringfence.quality.cleaning import Cleaned, ColumnCounts, clean
from ringfence.quality.proposal_text import proposal_text
from ringfence.quality.propose import propose_schema
from ringfence.quality.report import report
from ringfence.quality.windows import Cut, Windows, windows

__all__ = [
    "Cleaned",
    "ColumnCounts",
    "Cut",
    "Windows",
    "check_cleaned",
    "clean",
    "proposal_text",
    "propose_schema",
    "report",
    "windows",
]
