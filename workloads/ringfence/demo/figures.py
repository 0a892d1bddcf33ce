"""Writes the figures of the examples: `python -m ringfence.demo.figures EXAMPLES NAME ...`.

Each story named is told once. Its folder under EXAMPLES then holds the job and the schema as the story leaves them,
`figures.json`, and a README whose lines between the two marks are the story's table.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from ringfence.demo import study
from ringfence.observe.progress import SilentProgress

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
_KEPT = ("job.yaml", "schema.yaml")
_LASTING = ("metric", "better", "job", "baselines", "scores")


def write(name: str, example: Path) -> None:
    """Tells one story and writes what it showed."""
    story: study.Story = import_module(f"ringfence.demo.{name}").STORY
    with tempfile.TemporaryDirectory() as folder:
        told = study.tell(story, Path(folder) / name, SilentProgress())
        for kept in _KEPT:
            (example / kept).write_bytes((told.folder / kept).read_bytes())
    document = told.document()
    lasting = {key: document[key] for key in _LASTING}
    (example / "figures.json").write_text(json.dumps(lasting, indent=2) + "\n", encoding="utf-8")
    readme = example / "README.md"
    words = [*told.notes, "", *told.figures(markdown), "", f"`make examples NAME={name}` wrote this table."]
    readme.write_text(between(readme.read_text(encoding="utf-8"), "\n".join(words)), encoding="utf-8")


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table, and an empty line after it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def between(text: str, words: str) -> str:
    """`text` with what stands between the two marks replaced. Raises ValueError where one is missing."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{words}\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[2:]:
        write(name, Path(sys.argv[1]) / name)
