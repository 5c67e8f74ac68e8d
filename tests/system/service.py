"""A daemon that runs: what it says, what its endpoint answers, and a receiver for what it tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.system.stage import WITHIN_S, Stage
from tests.system.warm import Process

SETTINGS: Final = """
[ops]
listen = "127.0.0.1:0"

[schedule]
walk = "every 1s"
full_walk = "every 5s"
verify = "every 2s"
jitter = "0s"

[transfer]
lease = "3s"
backoff = "50ms"
shutdown_grace = "10s"
"""


@dataclass
class Service:
    """A daemon. ``events`` are what it said so far."""

    process: Process
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: "asyncio.Task[None] | None" = None

    async def read(self) -> None:
        """Take in what it says."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            with suppress(ValueError):
                self.events.append(json.loads(line))
            self._changed.set()

    def said(self, name: str) -> list[dict[str, Any]]:
        """The events of this name."""
        return [event for event in self.events if event.get("event") == name]

    async def until_said(self, name: str, count: int = 1) -> dict[str, Any]:
        """The latest event of this name, once there are so many."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.said(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.said(name)[-1]

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """What its endpoint answers."""
        listen = (await self.until_said("daemon_ready"))["listen"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{listen}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def ready(self) -> tuple[int, list[dict[str, Any]]]:
        """What ``/readyz`` answers."""
        status, text = await self.get("/readyz")
        reasons: list[dict[str, Any]] = json.loads(text)["reasons"]
        return status, reasons

    async def until_ready(self, judge: Callable[[int, list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The reasons, once ``/readyz`` answers to the judge's liking."""
        async with asyncio.timeout(WITHIN_S):
            while not judge(*(found := await self.ready())):
                await asyncio.sleep(0.1)
        return found[1]

    async def stop(self, signal: int) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(signal)
        return await asyncio.wait_for(self.process.wait(), WITHIN_S)


@asynccontextmanager
async def service(stage: Stage, *words: str) -> AsyncIterator[Service]:
    """A daemon on a stage, with ``SETTINGS`` unless it has a schedule already; killed in the end if it still runs."""
    if "[schedule]" not in stage.config.read_text():
        stage.amend(SETTINGS)
    one = Service(await stage.start("run", *words))
    reading = asyncio.create_task(one.read())
    try:
        yield one
    finally:
        with suppress(ProcessLookupError):
            one.process.kill()
        await one.process.wait()
        await reading


@dataclass
class Receiver:
    """A webhook and a heartbeat."""

    port: int = 0
    notices: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    beats: int = 0
    refusals: int = 0

    async def receive(self, request: web.Request) -> web.Response:
        """Take a call in; the first ``refusals`` are answered 503."""
        if request.method == "GET":
            self.beats += 1
            return web.Response()
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.bodies.append(await request.read())
        self.notices.append(json.loads(self.bodies[-1]))
        self.headers.append(dict(request.headers))
        return web.Response()

    def told(self, event: str) -> list[str]:
        """The states of the notices of this event."""
        return [notice["state"] for notice in self.notices if notice["event"] == event]

    async def until_told(self, event: str, count: int) -> None:
        """Return once there are so many notices of this event."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.told(event)) < count:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    one = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.port = runner.addresses[0][1]
        yield one
    finally:
        await runner.cleanup()
