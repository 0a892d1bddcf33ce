"""`/readyz`: the cache was filled. `/livez`: the loop turns, and turns end; it says nothing of the API server's health.

A replica whose API server is away is alive: to kill it would help nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_STUCK = 600.0
"""Seconds that a turn may take before the process counts as stuck: more than all time limits of requests in it."""


async def metrics(port: int, registry: CollectorRegistry) -> web.AppRunner:
    """Serves `/metrics` until the runner is cleaned up."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return await _served(port, [web.get("/metrics", scrape)])


async def serve(port: int, ready: Callable[[], bool], slowest: Callable[[], float]) -> web.AppRunner:
    """Serves both probes until the runner is cleaned up. Answering at all is proof that the loop turns."""

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok") if ready() else web.Response(status=503, text="not synced")

    async def livez(_: web.Request) -> web.Response:
        stuck = slowest() > _STUCK
        return web.Response(status=500, text="a turn does not end") if stuck else web.Response(text="ok")

    return await _served(port, [web.get("/readyz", readyz), web.get("/livez", livez)])


async def _served(port: int, routes: list[web.RouteDef]) -> web.AppRunner:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
