"""What a run on this machine tells of itself while it goes: one file of its state directory, for `ringfence watch`.

It holds what the coordinator's progress holds in a cluster, and how the run ended. A file that cannot be written stops
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from ringfence.acceptance.accepted import Acceptance
from ringfence.errors import RingfenceError
from ringfence.federation import layout
from ringfence.federation.board import Board
from ringfence.federation.rounds import Commit
from ringfence.federation.rounds_seen import RoundsSeen
from ringfence.federation.supervisor import ENDED
from ringfence.privacy.orders import epsilon_of, scale


class Telling:
    """From entering to leaving it, the file is at most two seconds old."""

    def __init__(self, path: Path, uid: str, acceptance: Acceptance) -> None:
        job = acceptance.job
        silos = [one.silo for one in acceptance.participants]
        self._path, self._acceptance = path, acceptance
        self._seen = RoundsSeen(silos)
        self._board = Board(job.spec.rounds, silos, self._show, self._seen.totals)
        self._url = f"{job.spec.output.rstrip('/')}/{uid}"
        self._always = {"uid": uid, "namespace": job.metadata.namespace, "name": job.metadata.name}

    def know(self, lost: Mapping[str, str]) -> Mapping[str, str]:
        """The silos that will not answer, on their way to the coordinator; those that are done are no loss to tell."""
        self._board.know({silo: why for silo, why in lost.items() if why != ENDED})
        return lost

    def waiting(self, round_: int, silos: Set[str]) -> None:
        """Round `round_` waits for these silos."""
        self._seen.waiting(round_, silos)
        self._board.waiting(round_, silos)

    def committed(self, commit: Commit) -> None:
        """A round is over."""
        self._seen.committed(commit)
        self._board.committed(commit)

    def _show(self, data: dict[str, str]) -> dict[str, str]:
        progress = json.loads(data["progress"])
        document = {**self._always, **progress, "epsilon": self._epsilon(progress["round"])}
        beside = self._path.with_name(f".{self._path.name}")
        with suppress(OSError):
            beside.write_text(json.dumps(document))
            beside.replace(self._path)
        return {}

    def _epsilon(self, rounds: int) -> str | None:
        """The job's epsilon of so many rounds, the largest of its silos; None where no silo is private."""
        asked = self._acceptance.job.spec.privacy
        found = []
        for one in self._acceptance.private:
            if one.plan is not None and one.ledger is not None and one.ledger.view.limit is not None and asked:
                orders = one.ledger.view.limit.orders
                cost = scale(one.plan.cost, rounds)
                found.append(epsilon_of(cost, (Decimal(asked.delta),) * len(cost), orders))
        return f"{max(found):.6f}" if found else None

    def __enter__(self) -> Self:
        self._board.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            model, statement = (f"{self._url}/{name}" for name in (layout.MODEL, layout.STATEMENT))
            self._board.finish(ended="Complete", message="", model=model, statement=statement)
        elif isinstance(error, RingfenceError):
            self._board.finish(ended=error.reason, message=error.message)
        else:
            self._board.finish(ended="Interrupted", message="")
