"""The proxy does what its faults are called: what lands, and what the client is told."""

from __future__ import annotations

import asyncio

import pytest
from trials.proxy import Proxy

CREATE = b"PUT /trials/t1/a HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 4\r\n\r\nbody"


class Scripted(Proxy):
    """A proxy whose every request goes wrong in one way."""

    def __init__(self, target: int, kind: str) -> None:
        super().__init__(target)
        self._kind = kind

    def _fault(self, request) -> str:
        return self._kind


async def through(kind: str) -> tuple[bytes, bytes, bytes]:
    """One create through the proxy: the reply, what had landed by then, and what has when nothing is on its way."""
    landed: list[bytes] = []

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4096):
            landed.append(head.split(b"\r\n\r\n")[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    behind = await asyncio.start_server(store, "127.0.0.1", 0)
    proxy = Scripted(behind.sockets[0].getsockname()[1], kind)
    front = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = front.sockets[0].getsockname()[1]
    reply = await asked(port, CREATE)
    before = b"".join(landed)
    assert (await asked(port, b"GET /-/drain/t1 HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"{}")
    front.close()
    behind.close()
    return reply, before, b"".join(landed)


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    reply = await reader.read(4096)
    writer.close()
    return reply


@pytest.mark.parametrize(
    ("kind", "status", "before", "after"),
    [
        ("", b"HTTP/1.1 200", b"body", b"body"),
        ("delayed", b"HTTP/1.1 200", b"body", b"body"),
        ("lost-request", b"", b"", b""),
        ("lost-reply", b"", b"body", b"body"),
        ("conflict-409", b"HTTP/1.1 409", b"", b""),
        ("slow-503", b"HTTP/1.1 503", b"", b""),
        ("landed-503", b"HTTP/1.1 503", b"body", b"body"),
        ("late", b"", b"", b"body"),
    ],
)
def test_a_fault_is_what_it_is_called(kind, status, before, after):
    reply, landed, at_last = asyncio.run(through(kind))
    assert (reply[: len(status)], bool(reply)) == (status, bool(status))
    assert (landed, at_last) == (before, after)
