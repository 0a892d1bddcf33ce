"""Warm processes in which actors live: a part that ends well leaves its process for the next one; a killed one is gone.

A fork with everything imported costs some ten milliseconds on a small machine, and most actors of a trial survive it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from trials.steps import LARGEST_MESSAGE, LONGEST_STEP, die_with_parent

DONE, FAILED = b"done", b"failed"
_PLAY = b"play "

Play = Callable[[str, socket.socket], None]
"""Plays the part that the text describes, asking on the channel; an exception is a defect."""


@dataclass(frozen=True)
class Process:
    """A process and this side of its channel."""

    pid: int
    channel: socket.socket

    def signal_kill(self) -> None:
        """SIGKILL, wherever it is now."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL, and the process is no more."""
        self.signal_kill()
        self.bury()

    def bury(self) -> None:
        """Takes note of a death."""
        os.waitpid(self.pid, 0)
        self.channel.close()


class Stable:
    """The processes of one worker; all end with it."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._idle: list[Process] = []

    def take(self, text: str) -> Process:
        """A process that plays the part which `text` describes."""
        process = self._idle.pop() if self._idle else self._fork()
        process.channel.send(_PLAY + text.encode())
        return process

    def give_back(self, process: Process) -> None:
        """A process whose part is done."""
        self._idle.append(process)

    def close(self) -> None:
        """Ends all that are idle."""
        while self._idle:
            self._idle.pop().kill()

    def _fork(self) -> Process:
        parent = os.getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(LONGEST_STEP)
        pid = os.fork()
        if pid:
            theirs.close()
            return Process(pid, ours)
        try:
            die_with_parent(parent)
            ours.close()
            self._live(theirs)
        finally:
            os._exit(1)

    def _live(self, channel: socket.socket) -> None:
        """One part after another, until the worker hangs up."""
        while message := channel.recv(LARGEST_MESSAGE):
            try:
                self._play(message.removeprefix(_PLAY).decode(), channel)
            except Exception:  # told in the journal already
                channel.send(FAILED)
            else:
                channel.send(DONE)
