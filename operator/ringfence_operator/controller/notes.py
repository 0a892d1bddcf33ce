"""What was learnt about each job outside the cluster's objects: a process's own memory, lost with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ringfence_operator.seen import Findings, Refused

_NONE = Findings()


class Notes:
    """Findings by job uid."""

    def __init__(self) -> None:
        self._of: dict[str, Findings] = {}

    def of(self, uid: str) -> Findings:
        return self._of.get(uid, _NONE)

    def note(self, uid: str, **fields: Any) -> None:
        """Changes findings; a refusal that follows one of the same question counts its tries."""
        now = self.of(uid)
        for name, value in fields.items():
            before = getattr(now, name)
            if isinstance(value, Refused) and isinstance(before, Refused):
                fields[name] = replace(value, tries=before.tries + 1)
        self._of[uid] = replace(now, **fields)

    def hear(self, uid: str, report: str, now: float) -> None:
        """The coordinator's report as it looks now; its time is when it was first seen so."""
        known, since = self.of(uid).heard
        if report != known or not since:
            self.note(uid, heard=(report, now))

    def forget(self, uid: str) -> None:
        """The job is gone, or this replica works no more."""
        self._of.pop(uid, None)

    def clear(self) -> None:
        """Another replica may have worked meanwhile."""
        self._of.clear()
