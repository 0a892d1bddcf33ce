"""Scripts of what users see: command, stdout, stderr, exit code and what is left behind, word for word.

A script is a text file in `scripts/`. `# text` before any command is a remark. `> NAME` opens a file's content, to the
line `<`.
`$ words` runs a command in the script's folder; the lines after it are its stdout, those with `! ` before them its
stderr, and `[N]` is its exit code (0 where there is none). `files: a b` lists what the folder then holds.
`...` stands for any text within a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ringfence.cli import main

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@dataclass
class Step:
    """One command and what it must say; or a file to write; or the files that must be there."""

    words: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    code: int = 0
    write: tuple[str, str] | None = None
    files: list[str] | None = None


def steps(text: str) -> Iterator[Step]:
    lines = iter(text.splitlines())
    step: Step | None = None
    for line in lines:
        if line.startswith(("$ ", "> ", "files:")) and step is not None:
            yield step
            step = None
        if step is None and (not line or line.startswith("# ")):
            continue
        if line.startswith("> "):
            content = "".join(f"{row}\n" for row in iter(lambda: next(lines), "<"))
            yield Step(write=(line[2:], content))
        elif line.startswith("files:"):
            yield Step(files=line.removeprefix("files:").split())
        elif line.startswith("$ "):
            step = Step(words=shlex.split(line[2:]))
        elif step is not None and re.fullmatch(r"\[\d+\]", line):
            step.code = int(line[1:-1])
        elif step is not None:
            (step.err if line.startswith("! ") else step.out).append(line.removeprefix("! "))
    if step is not None:
        yield step


def same(expected: list[str], found: str) -> bool:
    pattern = "\n".join(re.escape(line).replace(r"\.\.\.", ".*") for line in expected).rstrip("\n")
    return re.fullmatch(pattern, found.rstrip("\n")) is not None


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path.with_name(f"{tmp_path.name}-state")))
    for step in steps(script.read_text()):
        if step.write is not None:
            Path(step.write[0]).write_text(step.write[1])
        elif step.files is not None:
            assert sorted(str(path) for path in Path().rglob("*") if path.is_file()) == sorted(step.files)
        else:
            code = main(step.words[1:])
            seen = capsys.readouterr()
            assert (code, same(step.out, seen.out), same(step.err, seen.err)) == (step.code, True, True), (
                f"{' '.join(step.words)}\nexit {code}\n{seen.out}\n{seen.err}"
            )


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5
