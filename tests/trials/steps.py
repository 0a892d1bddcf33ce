"""The steps of an actor's process: every call of a store and of a witness can be held, fail, or be the last one.

A real store stands behind; a kill is SIGKILL to the process that makes the call, before it, in it, or after it.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ringfence import canonical
from ringfence.errors import StoreError
from ringfence.privacy.ledger import Head, Witness
from ringfence.store import Store

_sleep = time.sleep
LARGEST_MESSAGE = 200_000
LONGEST_STEP = 60.0
_PR_SET_PDEATHSIG = 1


class Over(BaseException):
    """The end of an actor that would wait for ever; nothing of the code under trial is on its stack."""


class Journal:
    """What clients were told and what left silos, one line an event, in one file for all processes of a trial."""

    def __init__(self, path: Path, actor: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._actor = actor

    def write(self, event: str, **facts: Any) -> None:
        """One line, whole or absent."""
        line = json.dumps({"event": event, "actor": self._actor, **facts}) + "\n"
        os.write(self._file, line.encode())


class Gate:
    """Where an actor asks what becomes of its next step."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def ask(self, op: str, key: str) -> str:
        """The director's word: one of the verdicts of `perform`."""
        self._channel.send(f"{op} {key}".encode())
        return self._channel.recv(16).decode()

    def late(self, key: str, data: bytes) -> None:
        """Hands a request over, to land when the director lets it."""
        self._channel.send(b"late " + key.encode() + b"\n" + data)

    def rest(self, store: str) -> None:
        """Nothing to do until something changed in that store; ends the process when nothing will any more."""
        self._pause("rest", store)

    def sleep(self, seconds: float) -> None:
        """A pause that the code under trial makes: others may go on, and no time passes.

        Only the actor's own thread makes steps. Where a client of a store tries again in a thread of its own, two
        threads would ask at once, and a process that died by one question would leave the other behind.
        """
        if threading.current_thread() is threading.main_thread():
            self._pause("sleep", "")
        else:
            _sleep(seconds)

    def _pause(self, op: str, store: str) -> None:
        match self.ask(op, store):
            case "over":
                raise Over
            case "before" | "after" | "written" | "linked":
                die()


class FreeGate:
    """A gate without a director: the actor's own dice decide about faults, and nothing is held."""

    def __init__(self, rng: random.Random, fault_rate: float, journal: Journal) -> None:
        self._rng, self._rate, self._journal, self._rests = rng, fault_rate, journal, 0
        self.sleep = _sleep

    def ask(self, op: str, _key: str) -> str:
        verdict = fault(self._rng, op, late=False) if self._rng.random() < self._rate else "go"
        if verdict != "go":
            self._journal.write("fault", kind=verdict)
        return verdict

    def rest(self, _store: str) -> None:
        self._rests += 1
        if self._rests > 40:
            raise Over
        _sleep(self._rng.uniform(0, 0.01))


def fault(rng: random.Random, op: str, *, late: bool = True) -> str:
    """A wrong reply that a call of this kind can get."""
    if op == "put_if_absent":
        return rng.choice(("lost-reply", "lost-request", "conflict", *(("late",) if late else ())))
    if op in ("put", "delete"):
        return rng.choice(("lost-reply", "lost-request"))
    return "lost-request" if op in ("list", "exists") else "go"


def perform(gate: Any, op: str, key: str, call: Callable[[], Any], data: bytes = b"") -> Any:
    """Makes one call of a store as the gate says."""
    verdict = gate.ask(op, key)
    match verdict:
        case "before":
            die()
        case "written" | "linked":
            die_at_sync(0 if verdict == "written" else 1)
        case "lost-request":
            raise StoreError("connection reset (a trial's fault)", where=key)
        case "late":
            gate.late(key, data)
            raise StoreError("timed out (a trial's fault)", where=key)
        case "conflict":
            return False
    result = call()
    if verdict in ("after", "written", "linked"):
        die()
    if verdict == "lost-reply":
        raise StoreError("connection reset after sending (a trial's fault)", where=key)
    return result


def die() -> NoReturn:
    """Ends this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


def die_at_sync(left: int) -> None:
    """After `left` more calls of fsync the next is the last thing that this process comes to."""
    sync = os.fsync

    def fatal(descriptor: int) -> None:
        nonlocal left
        if left == 0:
            die()
        left -= 1
        sync(descriptor)

    os.fsync = fatal


class SteppedStore:
    """A store whose calls are steps; `name` tells the director which of a trial's stores it is.

    Reading an object is none: entries never change, a death in it is a death before the next write, and listings and
    questions whether an object exists stand between a ledger's reads.
    """

    def __init__(self, store: Store, name: str, gate: Any, journal: Journal) -> None:
        self._store, self._name, self._gate, self._journal = store, name, gate, journal
        self.url = store.url

    def __repr__(self) -> str:
        return f"SteppedStore({self._store!r})"

    def put(self, key: str, data: bytes) -> None:
        return perform(self._gate, "put", f"{self._name}/{key}", lambda: self._store.put(key, data), data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = f"{self._name}/{key}"
        if "/updates/" in key:
            self._journal.write("out", key=path, digest=canonical.digest(data))
        created = perform(self._gate, "put_if_absent", path, lambda: self._store.put_if_absent(key, data), data)
        if not created and key.startswith("ledger/") and key != "ledger/0":
            self._journal.write("race")
        return created

    def list(self, prefix: str = "") -> Any:
        return perform(self._gate, "list", f"{self._name}/{prefix}", lambda: self._store.list(prefix))

    def exists(self, key: str) -> bool:
        return perform(self._gate, "exists", f"{self._name}/{key}", lambda: self._store.exists(key))

    def delete(self, key: str) -> None:
        return perform(self._gate, "delete", f"{self._name}/{key}", lambda: self._store.delete(key))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class SteppedWitness:
    """A witness whose calls are steps: a process may die between an append and its being remembered."""

    def __init__(self, witness: Witness, gate: Any) -> None:
        self._witness, self._gate = witness, gate

    def remembered(self, dataset: str) -> Head | None:
        return self._witness.remembered(dataset)

    def remember(self, dataset: str, head: Head) -> None:
        return perform(self._gate, "remember", dataset, lambda: self._witness.remember(dataset, head))


def die_with_parent(parent: int) -> None:
    """Asks Linux to kill this process when `parent` ends: no trial leaves a process behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        die()
