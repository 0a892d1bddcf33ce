"""A job as it is watched: where it stands, in one shape for a run on this machine and for a job in a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ringfence.observe.tally import Totals

ENDED = ("Complete", "Failed", "Stopped")
_DOING = {
    "open": "opening shards", "encode": "encoding rows", "wait": "waiting for the model", "train": "training",
    "seal": "sealing its update", "release": "charging and publishing",
}  # fmt: skip


@dataclass(frozen=True)
class WatchedSilo:
    """One silo: its state in one word, what it does or why it is lost, and what it came to so far."""

    name: str
    state: str
    note: str = ""
    totals: Totals = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """A job. `seconds_left` is None where nobody can tell; `epsilon` is the job's own, over its committed rounds."""

    job: str
    phase: str
    round: int = 0
    rounds: int = 0
    seconds_left: int | None = None
    epsilon: str | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    silos: Sequence[WatchedSilo] = ()
    totals: Totals = field(default_factory=dict)
    note: str = ""
    model: str = ""
    statement: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ENDED

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def of_run(progress: Mapping[str, Any], tallies: Mapping[str, tuple[str, int, Totals]], *, running: bool) -> Watched:
    """A run on this machine, from its progress and what each silo's process left (`tally.read`)."""
    ended = str(progress.get("ended") or "")
    phase = _phase(ended, int(progress["round"]), any(doing in _WORK for doing, _, _ in tallies.values()), running)
    silos = []
    for name, state in progress["silos"].items():
        doing, _, totals = tallies.get(name, ("", 0, {}))
        note = _DOING.get(doing, "") if not ended and running else ""
        silos.append(WatchedSilo(name, "done" if ended == "Complete" else state, note, totals))
    return Watched(
        job=f"{progress['namespace']}/{progress['name']} ({progress['uid']})",
        phase=phase,
        round=int(progress["round"]),
        rounds=int(progress["rounds"]),
        seconds_left=None if phase in ENDED else progress["etaSeconds"],
        epsilon=progress["epsilon"],
        metrics=progress["metrics"],
        silos=tuple(silos),
        totals=progress["totals"],
        note=_why(ended, str(progress.get("message") or ""), phase),
        model=progress["model"],
        statement=progress["statement"],
    )


def of_status(document: Mapping[str, Any], now: datetime) -> Watched:
    """A FederatedJob as the API server has it."""
    status, metadata = document.get("status") or {}, document["metadata"]
    phase = str(status.get("phase") or "Pending")
    silos = tuple(
        WatchedSilo(one["name"], one.get("state", "Pending"), _line(one), one.get("totals") or {})
        for one in status.get("silos") or ()
    )
    return Watched(
        job=f"{metadata['namespace']}/{metadata['name']} ({metadata['uid']})",
        phase=phase,
        round=status.get("round") or 0,
        rounds=status.get("rounds") or document["spec"]["rounds"],
        seconds_left=None if phase in ENDED else _left(status.get("eta"), now),
        epsilon=status.get("epsilon"),
        metrics=status.get("metrics") or {},
        silos=silos,
        totals=status.get("totals") or {},
        note=_condition(status.get("conditions") or ()),
        model=status.get("model") or "",
        statement=status.get("statement") or "",
    )


_WORK = ("wait", "train", "seal", "release")


def _phase(ended: str, round_: int, working: bool, running: bool) -> str:
    if ended:
        return "Complete" if ended == "Complete" else "Stopped" if ended == "Interrupted" else "Failed"
    if not running:
        return "Stopped"
    return "Training" if round_ or working else "Starting"


def _why(ended: str, message: str, phase: str) -> str:
    if phase == "Stopped":
        return "no process runs it; `ringfence run` with --resume continues it"
    return f"{ended}: {message}" if phase == "Failed" else ""


def _line(silo: Mapping[str, Any]) -> str:
    parts = (silo.get("reason"), silo.get("message"))
    return ": ".join(str(part) for part in parts if part)


def _condition(conditions: Sequence[Mapping[str, Any]]) -> str:
    """Why the job stands where it stands: its failure, else what was last found not to hold."""
    held = {one["type"]: one for one in conditions}
    if (failed := held.get("Failed")) and failed["status"] == "True":
        return f"{failed['reason']}: {failed['message']}"
    waits = [one for one in conditions if one["status"] == "False" and one["type"] not in ("Failed", "Progressing")]
    newest = max(waits, key=lambda one: str(one["lastTransitionTime"]), default=None)
    done = any(held.get(kind, {}).get("status") == "True" for kind in ("Complete", "Progressing"))
    return f"{newest['reason']}: {newest['message']}" if newest and not done else ""


def _left(eta: str | None, now: datetime) -> int | None:
    if not eta:
        return None
    return max(0, round((datetime.fromisoformat(eta).astimezone(UTC) - now).total_seconds()))
