"""The sealed quality report as a page for the data's owner: what to look at first, then every column.

It shows figures of private rows, so it is made on the owner's machine from the opened report and written nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ringfence.observe import templates

_MUCH_MISSING, _MUCH_OUTSIDE, _MANY_OUTLIERS, _RARE = 0.05, 0.005, 0.01, 0.01
_MANY_LEFT_OUT = _MANY_COPIES = 0.05
_MOVED = Decimal("0.25")
_SHOWN = 12  # bars of a column
_COUNTED = ("missing", "out_of_range", "replaced", "dropped")


@dataclass(frozen=True)
class Bar:
    """A bar of a column's picture: its share of the largest, in per cent, and what it stands for."""

    label: str
    count: int
    height: float


@dataclass(frozen=True)
class ColumnPicture:
    """One column: its figures by name, and its bars."""

    name: str
    figures: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]


def quality_page(report: Mapping[str, Any], title: str, drift: Mapping[str, str] | None = None) -> str:
    """One self-contained HTML page; `drift` maps columns to their stability index against the version before."""
    records = report["records"]
    tiles = [
        (
            "Records",
            f"{records['kept']:,}",
            f"of {records['read']:,} read; {records['dropped']:,} left out by cleaning",
        ),
        ("Exact copies", f"{records['duplicates_left']:,}", f"left; {records['duplicates_dropped']:,} dropped"),
        ("Near copies", f"{report['near_duplicates']['records']:,}", "equal another record in all columns but one"),
    ]
    return templates.page(
        "quality.html.jinja",
        title=title,
        tiles=tiles,
        findings=findings(report, drift or {}),
        columns=[_picture(name, column) for name, column in report["columns"].items()],
        drift=drift or {},
        lineage=report.get("lineage", {}),
    )


def findings(report: Mapping[str, Any], drift: Mapping[str, str]) -> list[str]:
    """What a person should look at, in words: identifiers, rare labels, then columns by the share of records concerned.

    Empty when nothing stands out.
    """
    kept = max(report["records"]["kept"], 1)
    personal = report["looks_personal"].items()
    found = [f"Column {name} looks like {kind}: is it meant to be sealed?" for name, kind in personal]
    shared = report.get("overlap", {"persons": 0, "shared": []})
    found += [
        f"{one['persons']:,} of the {shared['persons']:,} persons sealed with this version stand in {one['url']} too: "
        "what is released of both adds up for them."
        for one in shared["shared"]
        if one["persons"]
    ]
    if report["label"]:
        found += [
            f"Only {count:,} records ({_per_cent(count / kept)}) have the label {name}."
            for name, count in report["label"]["counts"].items()
            if count / kept < _RARE
        ]
    found += [
        f"Column {name} has drifted since the version before (stability index {index}; above 0.25 is much)."
        for name, index in drift.items()
        if Decimal(index) > _MOVED
    ]
    found += _lost_or_repeated(report)
    shares = [share for name, column in report["columns"].items() for share in _shares(name, column, report["records"])]
    return found + [words for _, words in sorted(shares, key=lambda share: -share[0])]


def _lost_or_repeated(report: Mapping[str, Any]) -> list[str]:
    """Records that cleaning left out, with the column that did most of it, and exact copies that are still there."""
    records, columns = report["records"], report["columns"]
    out, copies = records["dropped"] / max(records["read"], 1), records["duplicates_left"] / max(records["kept"], 1)
    found = []
    if out > _MANY_LEFT_OUT:
        worst = max(columns, key=lambda name: columns[name]["dropped"])
        most = f"{columns[worst]['dropped']:,} by column {worst}"
        found.append(f"{_per_cent(out)} of the records were left out by cleaning, {most}.")
    if copies > _MANY_COPIES:
        remedy = "if they are entries made twice, declare drop_exact_duplicates"
        found.append(f"{_per_cent(copies)} of the records are exact copies of another: {remedy}.")
    return found


def _shares(name: str, column: Mapping[str, Any], records: Mapping[str, int]) -> list[tuple[float, str]]:
    """What stands out in one column, with the share of records that it concerns."""
    read, kept = max(records["read"], 1), max(records["kept"], 1)
    looked = [
        (column["missing"] / read, _MUCH_MISSING, "of the values are missing"),
        (column["out_of_range"] / read, _MUCH_OUTSIDE, "of the values lie outside what was declared"),
        (column.get("outliers", 0) / kept, _MANY_OUTLIERS, "of the values are far outliers"),
    ]
    return [(share, f"Column {name}: {_per_cent(share)} {words}.") for share, much, words in looked if share > much]


def _picture(name: str, column: Mapping[str, Any]) -> ColumnPicture:
    figures = [
        (key.replace("_", " "), f"{column[key]:,}") for key in ("missing", "out_of_range", "replaced", "dropped")
    ]
    figures += [("mean", column["mean"]), ("deviation", column["standard_deviation"])] if "mean" in column else []
    if "quantiles" in column:
        figures.append(("0, 25, 50, 75, 100 %", ", ".join(column["quantiles"])))
    figures += [(key, f"{column[key]:,}") for key in ("distinct", "blank", "damaged") if key in column]
    counts = column.get("counts") or {f"tenth {place}": n for place, n in enumerate(column.get("histogram", []), 1)}
    top = max([*counts.values(), 1])
    bars = tuple(Bar(label, n, round(100 * n / top, 1)) for label, n in list(counts.items())[:_SHOWN])
    return ColumnPicture(name, tuple(figures), bars)


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"
