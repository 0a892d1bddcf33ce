"""`PYTHONPATH=tests:workloads .venv/bin/python -m bench.step [--rounds N] [--only PART] [--write]`.

Measures a private step beside the bare loop and Opacus, interleaved in one process for each workload, and peak memory
in fresh processes; compares clipped sums with Opacus'; with `--write` puts the tables into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.step import environment
from bench.step.workloads import WORKLOADS

PAGE = Path(__file__).parents[3] / "docs" / "performance.md"
BEGIN, END = "<!-- private step: begin -->", "<!-- private step: end -->"
RIVALS = ("hooks", "ew", "ghost")
MEASURED = ("bare", "ours", *RIVALS)


def measured(*arguments: str) -> Any:
    """The document of one fresh process; None when it failed."""
    command = [environment.python(), "-W", "ignore", "-m", "bench.step.measure", *arguments]
    done = subprocess.run(command, env=environment.variables(), capture_output=True, text=True)
    sys.stderr.write("".join(f"{line}\n" for line in done.stderr.splitlines() if " fails: " in line))
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def times(names: list[str], rounds: int) -> list[str]:
    lines = [
        "| model (batch) | bare, ms | private step | without noise | Opacus' best mode | its hooks | ew | ghost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        found = measured("seconds", name, str(rounds))
        ratio = {engine: value / found["bare"] for engine, value in found.items()}
        best = min((ratio[engine], engine) for engine in RIVALS if engine in ratio)
        others = " | ".join(f"{ratio[engine]:.2f}" if engine in ratio else "fails" for engine in RIVALS)
        cells = f"{ratio['ours']:.2f} | {ratio['clipped']:.2f} | {best[0]:.2f} ({best[1]}) | {others}"
        lines.append(f"| {name} ({WORKLOADS[name].size}) | {found['bare'] * 1e3:.1f} | {cells} |")
        print(lines[-1], flush=True)
    return lines


def memory(names: list[str]) -> list[str]:
    lines = ["| model (batch) | " + " | ".join(MEASURED) + " |", "|---|" + "---|" * len(MEASURED)]
    for name in names:
        found = [measured("growth", name, engine) for engine in MEASURED]
        cells = " | ".join("fails" if value is None else f"{value:.0f}" for value in found)
        lines.append(f"| {name} ({WORKLOADS[name].size}) | {cells} |")
        print(lines[-1], flush=True)
    return lines


def page(names: list[str], rounds: int) -> str:
    torch, opacus, python = measured("versions")
    off = measured("oracle")
    return "\n".join(
        [
            BEGIN,
            *times(names, rounds),
            "",
            f"Ratios to the bare loop, from CPU time of one thread, the least of {rounds} interleaved rounds. "
            f"PyTorch {torch}, Opacus {opacus}, Python {python}.",
            "",
            "Growth of the process's peak memory in three steps, MiB, each in a fresh process:",
            "",
            *memory(names),
            "",
            f"Clipped sums against Opacus' grad-sample mode on {len(off)} random models, batches of 16 and of 1: "
            f"the largest relative difference is {max(off.values()):.1e}.",
            END,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = page([name for name in WORKLOADS if options.only in name], options.rounds)
    print(text)
    if options.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + text + rest.split(END)[1])


if __name__ == "__main__":
    main()
