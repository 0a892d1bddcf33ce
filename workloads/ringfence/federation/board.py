"""The coordinator's progress for whoever watches; in a cluster the operator, whose word on lost silos comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import UTC, datetime
from typing import Any

from ringfence.federation.rounds import Commit
from ringfence.observe.tally import Totals

_PERIOD = 2.0


class Board:
    """Keeps what is to be shown; a thread shows it every two seconds, whatever the rounds are doing.

    `show(data)` patches the ConfigMap and returns its data; while it fails (OSError), the last word on the lost holds.
    `totals()` is what the rounds came to so far. The heartbeat is the time at which the rounds last turned: it stops
    when they hang, though the thread goes on.
    """

    def __init__(
        self,
        rounds: int,
        silos: Iterable[str],
        show: Callable[[dict[str, str]], dict[str, str]],
        totals: Callable[[], Totals] = dict,
    ) -> None:
        self._show, self._lock, self._over = show, threading.Lock(), threading.Event()
        self._totals = totals
        self._lost: dict[str, str] = {}
        self._silos = dict.fromkeys(silos, "training")
        self._begun, self._done_before = time.monotonic(), -1
        self._shown: dict[str, Any] = {
            "round": 0,
            "rounds": rounds,
            "heartbeat": _now(),
            "etaSeconds": None,
            "silos": {},
            "metrics": {},
            "model": "",
            "statement": "",
            "head": {},
        }
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def lost(self) -> Mapping[str, str]:
        """Silos that will not answer, with the reason, as the operator said last."""
        with self._lock:
            self._shown["heartbeat"] = _now()
            return dict(self._lost)

    def know(self, lost: Mapping[str, str]) -> None:
        """Which silos are lost, where the coordinator's own process watches them; the rounds turned now."""
        with self._lock:
            self._shown["heartbeat"], self._lost = _now(), dict(lost)

    def waiting(self, round_: int, silos: Set[str]) -> None:
        """Round `round_` waits for these silos; the others have answered."""
        with self._lock:
            for silo in self._silos:
                self._silos[silo] = "training" if silo in silos else "published"

    def committed(self, commit: Commit) -> None:
        """A round is over."""
        with self._lock:
            if self._done_before < 0:
                self._done_before, self._begun = commit.round, time.monotonic()
            done = commit.round - self._done_before
            left = self._shown["rounds"] - commit.round
            eta = round((time.monotonic() - self._begun) / done * left) if done else None
            metrics = {**self._shown["metrics"], **commit.metrics}
            self._shown |= {"round": commit.round, "heartbeat": _now(), "etaSeconds": eta, "metrics": metrics}

    def finish(self, **found: Any) -> None:
        """Show the end (`model`, `statement`, `head`) once more and stop; tries for a while if nobody listens."""
        with self._lock:
            self._shown |= {"heartbeat": _now(), "etaSeconds": 0, **found}
        self._over.set()
        self._thread.join()
        for _ in range(5):
            if self._tell():
                return
            time.sleep(_PERIOD)

    def _run(self) -> None:
        self._tell()
        while not self._over.wait(_PERIOD):
            self._tell()

    def _tell(self) -> bool:
        try:
            data = self._show({"progress": json.dumps(self._document())})
            lost = json.loads(data["lost"] or "{}") if "lost" in data else None
        except (OSError, ValueError):  # an API server that is away stops no round
            return False
        if lost is not None:
            with self._lock:
                self._lost = {str(silo): str(reason) for silo, reason in lost.items()}
        return True

    def _document(self) -> dict[str, Any]:
        with self._lock:
            silos = {silo: "lost" if silo in self._lost else state for silo, state in self._silos.items()}
            return {**self._shown, "silos": silos, "totals": self._totals()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
