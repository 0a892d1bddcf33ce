"""What crosses a process boundary when something was refused: names and places, never values.

A silo's process sees plaintext, so an exception of a task or a library may quote a row. Only our own errors, whose
messages hold no values by contract, cross as they are; of any other exception only its type and place are told.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from ringfence import errors
from ringfence.errors import RingfenceError, WorkloadFailed


@dataclass(frozen=True)
class Outcome:
    """How a silo's step ended: `published` updates, or an error by the name of its class."""

    published: int = 0
    error: str = ""
    message: str = ""
    where: str = ""
    remedy: str = ""

    @staticmethod
    def of(error: BaseException) -> Outcome:
        """The outcome that tells of `error`, without any value that it may hold."""
        if isinstance(error, RingfenceError):
            return Outcome(0, type(error).__name__, error.message, error.where, error.remedy)
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "unknown place"
        return Outcome(0, WorkloadFailed.__name__, f"{type(error).__name__} at {place} (its text is withheld)")

    def exception(self, silo: str) -> RingfenceError | None:
        """The error that `of` was given, with the silo's name; None when there was none."""
        if not self.error:
            return None
        kind = getattr(errors, self.error, WorkloadFailed)
        known: type[RingfenceError] = kind if issubclass(kind, RingfenceError) else WorkloadFailed
        return known(f"silo {silo}: {self.message}", where=self.where, remedy=self.remedy)
