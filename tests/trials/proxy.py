"""An HTTP proxy before an object store that gives the replies which networks and stores give on bad days.

It forwards to a server on a loopback address. Which request of which trial goes wrong follows from the trial's name in
its path and from the request's number in it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

RATES = (0.03, 0.1, 0.25)
CREATES = ("lost-reply", "lost-request", "conflict-409", "slow-503", "landed-503", "late", "delayed")
WRITES = ("lost-reply", "lost-request", "slow-503", "landed-503", "delayed")
READS = ("lost-request", "slow-503", "delayed")
_TRIAL = re.compile(rb"\bt\d+\b")
_DELAY = (0.005, 0.05)
_LATE = (0.05, 0.6)

_CONFLICT = ("409 Conflict", "ConditionalRequestConflict")
_SLOW = ("503 Slow Down", "SlowDown")


@dataclass(frozen=True)
class Request:
    """One request, whole."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def method(self) -> str:
        return self.line.split(b" ")[0].decode()

    @property
    def trial(self) -> str:
        """The name of the trial it belongs to, "" for none."""
        found = _TRIAL.search(self.line)
        return found[0].decode() if found else ""

    @property
    def faults(self) -> tuple[str, ...]:
        """What can go wrong with it."""
        if self.method != "PUT":
            return READS if self.method in ("GET", "HEAD") else WRITES
        return CREATES if b"if-none-match" in self.head.lower() else WRITES


class Proxy:
    """The state of a proxy: what went wrong so far, and what is still under way."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._dice: dict[str, tuple[random.Random, float]] = {}
        self._late: dict[str, set[asyncio.Task[None]]] = {}
        self._serving: set[asyncio.Task[None] | None] = set()
        self.faults: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, request after request."""
        task = asyncio.current_task()
        self._serving.add(task)  # asyncio itself keeps only a weak reference
        task.add_done_callback(self._serving.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with _closing(writer), _connected(self._target) as server:
                while (request := await _read(reader)) is not None:
                    if not await self._answer(request, server, writer):
                        break

    async def _answer(self, request: Request, server: _Pipe, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; False to hang up."""
        if request.line.split(b" ")[1].startswith(b"/-/"):
            writer.write(_reply("200 OK", await self._asked(request), b"application/json"))
            await writer.drain()
            return False
        match self._fault(request):
            case "lost-request":
                return False
            case "lost-reply":
                await _forward(request, server)
                return False
            case "conflict-409":
                writer.write(_refusal(*_CONFLICT))
            case "slow-503":
                writer.write(_refusal(*_SLOW))
            case "landed-503":
                await _forward(request, server)
                writer.write(_refusal(*_SLOW))
            case "late":
                self._send_later(request)
                return False
            case fault:
                if fault == "delayed":
                    await asyncio.sleep(random.uniform(*_DELAY))
                writer.write(await _forward(request, server))
        await writer.drain()
        return True

    def _fault(self, request: Request) -> str:
        """What goes wrong with this request, "" for nothing."""
        if not request.trial:
            return ""
        if request.trial not in self._dice:
            rng = random.Random(request.trial)
            self._dice[request.trial] = (rng, rng.choice(RATES))
        rng, rate = self._dice[request.trial]
        if rng.random() >= rate:
            return ""
        fault = rng.choice(request.faults)
        self.faults[fault] += 1
        return fault

    def _send_later(self, request: Request) -> None:
        async def send() -> None:
            await asyncio.sleep(random.uniform(*_LATE))
            async with _connected(self._target) as server:
                await _forward(request, server)

        tasks = self._late.setdefault(request.trial, set())
        task = asyncio.ensure_future(send())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _asked(self, request: Request) -> bytes:
        """`/-/faults` counts them; `/-/drain/TRIAL` returns when nothing of TRIAL is under way any more."""
        trial = request.trial
        while tasks := self._late.get(trial, set()):
            await asyncio.wait(set(tasks))
        self._late.pop(trial, None)
        return json.dumps(self.faults).encode()


_Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def serve(port: int, target: int) -> None:
    """Serves `port` for ever, forwarding to `target`; both on 127.0.0.1."""

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def main() -> None:
        server = await asyncio.start_server(Proxy(target).serve, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(main())


def parse_faults(reply: bytes) -> Counter[str]:
    """The counts in the reply to `/-/faults`."""
    return Counter(json.loads(reply))


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[_Pipe]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with _closing(writer):
        yield reader, writer


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the client has hung up."""
    head = await _head(reader)
    return Request(head, await reader.readexactly(_length(head))) if head else None


async def _forward(request: Request, server: _Pipe) -> bytes:
    """Sends the request on; the server's whole reply."""
    reader, writer = server
    writer.write(request.head + request.body)
    await writer.drain()
    head = await _head(reader)
    if not head:
        raise ConnectionResetError("the server hung up")
    if request.method == "HEAD" or head.split(b" ")[1] in (b"204", b"304"):
        return head
    if b"transfer-encoding: chunked" in head.lower():
        return head + await _chunks(reader)
    return head + await reader.readexactly(_length(head))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = await reader.readline()
        chunk = await reader.readexactly(int(size, 16) + 2)
        body += size + chunk
        if int(size, 16) == 0:
            return body


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _refusal(status: str, code: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>A trial's fault.</Message></Error>"
    return _reply(status, body.encode(), b"application/xml")


def _reply(status: str, body: bytes, kind: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: ".encode()
    return head + kind + b"\r\n\r\n" + body
