"""A dashboard's panels as one page, drawn from what a Prometheus answers, and its picture by a headless Chromium.

No Grafana is needed: the grid, the titles and the queries are the dashboard's own, the drawing is ours.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

from support.prometheus_server import Panel, Prometheus, panels

_COLORS = ("#3274d9", "#e0752d", "#2f9e44", "#a352cc", "#c4162a", "#1f9fa8", "#967302", "#6e7076")
_MOST = 8
_STYLE = """
body{margin:0;padding:14px;background:#f4f5f8;font:13px/1.35 'DejaVu Sans',sans-serif;color:#24292e;width:1152px}
h1{font-size:18px;margin:0 0 10px}.grid{display:grid;grid-template-columns:repeat(24,1fr);gap:8px}
.p{background:#fff;border:1px solid #dfe1e5;border-radius:3px;padding:8px 10px;overflow:hidden}
.p h2{font-size:13px;margin:0 0 6px}.n{font-size:30px;text-align:center;padding:6px;color:#2f7d32}
.l span{margin-right:12px;white-space:nowrap}
.l i{display:inline-block;width:10px;height:3px;margin-right:4px;vertical-align:3px}
.l{font-size:11px;max-height:46px;overflow:hidden}table{border-collapse:collapse;font-size:11px;width:100%}
td,th{text-align:left;padding:2px 8px;border-bottom:1px solid #eceef1}svg text{font-size:10px;fill:#6a737d}
"""


def browser() -> str | None:
    """Where Chromium is, if it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def picture(prometheus: Prometheus, dashboard: str, to: Path, seconds: float) -> None:
    """A PNG of the dashboard over the last so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        text, height = render(prometheus, dashboard, seconds)
        page.write_text(text)
        to.parent.mkdir(parents=True, exist_ok=True)
        command = [browser() or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--window-size=1180,{height}", f"--screenshot={to}", f"--user-data-dir={folder}/profile"]
        subprocess.run([*command, page.as_uri()], capture_output=True, check=True, timeout=120)


def render(prometheus: Prometheus, dashboard: str, seconds: float) -> tuple[str, int]:
    """The page and its height in pixels."""
    found: list[str] = []
    height, row, width = 60, 0, 0
    for panel in (one for one in panels() if one.dashboard == dashboard):
        body = _DRAW[panel.kind](prometheus, panel, seconds)
        row = max(row, {"stat": 96, "timeseries": 218}.get(panel.kind, 54 + 22 * body.count("<tr>")))
        width += panel.width
        if width % 24 == 0:
            height, row = height + row, 0
        title = f"<h2>{html.escape(panel.title)}</h2>"
        found.append(f'<div class="p" style="grid-column:span {panel.width}">{title}{body}</div>')
    page = f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><h1>Ringfence / {dashboard}</h1>"
    return f'{page}<div class="grid">{"".join(found)}</div>', height + row


def named(legend: str, labels: dict[str, str]) -> str:
    """A line's name, as Grafana makes it of the legend's format."""
    if legend in ("", "__auto"):
        return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if key != "__name__")
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)


def written(value: float, unit: str) -> str:
    """A number as a person reads it."""
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit in ("Bps", "bytes"):
        for name in ("B", "kB", "MB", "GB"):
            if abs(value) < 1000 or name == "GB":
                return f"{value:.3g} {name}" + ("/s" if unit == "Bps" else "")
            value /= 1000
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text + {"s": " s", "d": " days"}.get(unit, "")


def _number(prometheus: Prometheus, panel: Panel, seconds: float) -> str:
    ((query, _),) = panel.queries
    samples = prometheus.query(query)
    return f'<div class="n">{written(float(samples[0]["value"][1]), panel.unit) if samples else "none"}</div>'


def _lines(prometheus: Prometheus, panel: Panel, seconds: float) -> str:
    series = [
        (named(legend, one["metric"]), [(float(at), float(value)) for at, value in one["values"] if value != "NaN"])
        for query, legend in panel.queries
        for one in prometheus.over(query, seconds)
    ]
    series = [(name, points) for name, points in series if points][:_MOST]
    if not series:
        return "<p>no data</p>"
    width, height, left = 600, 150, 60
    first, last = min(p[0][0] for _, p in series), max(p[-1][0] for _, p in series)
    top = max(value for _, points in series for _, value in points) * 1.05 or 1.0
    span = max(1.0, last - first)
    parts = [
        f'<line x1="{left}" x2="{width}" y1="{y}" y2="{y}" stroke="#eceef1"/><text x="2" y="{y + 3}">'
        f"{html.escape(written(top * (height - y) / height, panel.unit))}</text>"
        for y in (0, 50, 100, 150)
    ]
    legend = []
    for number, (name, points) in enumerate(series):
        color = _COLORS[number % len(_COLORS)]
        for path in _unbroken(points):
            drawn = " ".join(
                f"{left + (width - left) * (at - first) / span:.1f},{height * (1 - value / top):.1f}"
                for at, value in path
            )
            parts.append(f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        legend.append(f'<span><i style="background:{color}"></i>{html.escape(name)}</span>')
    drawing = f'<svg viewBox="0 -6 {width} {height + 12}" width="100%">{"".join(parts)}</svg>'
    return f'{drawing}<div class="l">{"".join(legend)}</div>'


def _unbroken(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The points between gaps, in which nothing was scraped."""
    found = [[points[0]]]
    for before, one in pairwise(points):
        if one[0] - before[0] > 10:
            found.append([])
        found[-1].append(one)
    return found


def _bars(prometheus: Prometheus, panel: Panel, seconds: float) -> str:
    ((query, legend),) = panel.queries
    samples = [(named(legend, one["metric"]), float(one["value"][1])) for one in prometheus.query(query)]
    largest = max((value for _, value in samples), default=1.0) or 1.0
    if panel.unit == "percentunit":
        largest = 1.0
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td style='width:55%'><div style='height:13px;background:#3274d9;width:"
        f"{100 * value / largest:.0f}%'></div></td><td>{html.escape(written(value, panel.unit))}</td></tr>"
        for name, value in samples[:_MOST]
    )
    return f"<table>{rows}</table>" if rows else "<p>no data</p>"


def _table(prometheus: Prometheus, panel: Panel, seconds: float) -> str:
    ((query, _),) = panel.queries
    samples = prometheus.query(query)
    names = sorted({key for one in samples for key in one["metric"]} - {"__name__", "instance", "pod"})
    head = "".join(f"<th>{html.escape(name)}</th>" for name in [*names, "value"])
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(one['metric'].get(name, ''))}</td>" for name in names)
        + f"<td>{written(float(one['value'][1]), panel.unit)}</td></tr>"
        for one in samples[:_MOST]
    )
    return f"<table><tr>{head}</tr>{rows}</table>" if rows else "<p>none</p>"


_DRAW = {"stat": _number, "timeseries": _lines, "bargauge": _bars, "table": _table}
