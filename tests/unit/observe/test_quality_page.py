"""The owner's page of the quality report: what stands out comes first, and nothing in it is taken for markup."""

from __future__ import annotations

import pyarrow as pa

from ringfence.observe.quality_page import findings, quality_page
from ringfence.quality import clean, report
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    """
columns:
- {name: weight, type: number, minimum: 0, maximum: 300, missing: drop, out_of_range: clip}
- {name: contact, type: category, values: ["a@b.example", "c@d.example"]}
- {name: "<b>ward</b>", type: category, values: [x, y]}
- {name: died, type: boolean, role: target}
""",
    "schema",
)
ROWS = pa.table(
    {
        "weight": [None] * 20 + [70.0] * 180,
        "contact": ["a@b.example", "c@d.example"] * 100,
        "<b>ward</b>": ["x"] * 200,
        "died": [True] + [False] * 199,
    }
)
REPORT = report(ROWS, clean(ROWS, SCHEMA), SCHEMA)


def test_identifiers_come_first_then_rare_labels_drift_and_holes():
    assert findings(REPORT, {"weight": "0.4", "contact": "0.2"}) == [
        "Column contact looks like e-mail addresses: is it meant to be sealed?",
        "Only 0 records (0.0 %) have the label true.",
        "Column weight has drifted since the version before (stability index 0.4; above 0.25 is much).",
        "10.0 % of the records were left out by cleaning, 20 by column weight.",
        "98.9 % of the records are exact copies of another: if they are entries made twice, declare "
        "drop_exact_duplicates.",
        "Column weight: 10.0 % of the values are missing.",
    ]


def test_clean_rows_have_no_findings():
    rows = (
        ROWS.slice(20)
        .set_column(3, "died", pa.array([True, False] * 90))
        .set_column(1, "contact", ROWS["contact"].slice(20))
    )
    rows = rows.set_column(0, "weight", pa.array([60 + number / 10 for number in range(180)]))
    quiet = report(rows, clean(rows, SCHEMA), SCHEMA) | {"looks_personal": {}}
    assert findings(quiet, {}) == []
    assert "Nothing stands out." in quality_page(quiet, "s3://mercy/patients")


def test_the_page_fetches_nothing_and_escapes_what_the_owner_named():
    page = quality_page(REPORT | {"lineage": {"weight": "labs.weight_lb, times 0.45"}}, "s3://mercy/patients")
    assert "&lt;b&gt;ward&lt;/b&gt;" in page and "<b>ward</b>" not in page
    assert "default-src 'none'" in page and "<script" not in page and "http://" not in page and "https://" not in page
    assert "labs.weight_lb, times 0.45" in page
