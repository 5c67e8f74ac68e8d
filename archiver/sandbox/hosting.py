"""What every host of a provider does with a request: note it, let a guard refuse it, answer it, misbehave on order."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

from aiohttp import web

from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import AUDIO, LISTED, Outgoing, send
from archiver.sandbox.faults import conduct
from archiver.sandbox.faults.fault import Scene
from archiver.sandbox.faults.plan import Faults
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.levers import Lever
from archiver.sandbox.population import Stock
from archiver.sandbox.wire import Wire

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Guard = Callable[[web.Request], web.Response | None]
Describe = Callable[[web.Request], Asked]


STRANGER: Final = "stranger"
"""The host beside each provider's own: another origin, to which a fault may redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all hosts of a provider share. ``stranger`` is the origin of a host that is not the provider's."""

    ledger: Ledger
    faults: Faults
    wire: Wire
    stock: Stock
    levers: Mapping[str, Lever]
    stranger: str

    def sign(self, recording_id: str) -> str:
        """What the stranger wants to see before it serves a recording."""
        return blake2b(recording_id.encode(), key=self.ledger.account.encode(), digest_size=16).hexdigest()

    def scene(self, asked: Asked, request: web.Request) -> Scene:
        """Where a request meets this provider."""
        name = asked.recording_id or ""
        return Scene(
            asked=asked,
            request=request,
            ledger=self.ledger,
            wire=self.wire,
            stock=self.stock,
            levers=self.levers,
            elsewhere=f"{self.stranger}/recordings/{quote(name)}?Signature={self.sign(name)}",
        )


def host(house: House, describe: Describe, guard: Guard, *routes: web.RouteDef) -> web.Application:
    """One host of a provider. Every request is noted first, then ``guard`` may answer in place of the routes."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        scene = house.scene(describe(request), request)
        house.ledger.note_asked(scene.asked, datetime.now(UTC))
        conduct.happen(house.faults, scene)
        early: web.StreamResponse | None = guard(request)
        if early is None:
            early = await conduct.forestall(house.faults, scene)
        taken = request if early is not None else conduct.ask(house.faults, scene)
        response = early if early is not None else await handler(taken)
        if response.status >= 400:
            house.ledger.note_refused()
        return response if early is not None else await _send(house, scene.asked, taken, response)

    application = web.Application(middlewares=[answer])
    application.add_routes(routes)
    return application


def endpoint(request: web.Request) -> str:
    """The name of the route that a request met, or nothing."""
    return request.match_info.route.name or ""


async def _send(house: House, asked: Asked, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send what a handler gave: as it is, or as the faults in force want it."""
    audio, listed = request.get(AUDIO), request.get(LISTED, ())
    is_document = audio is None and asked.endpoint not in ("media", "store")
    if not isinstance(response, web.Response) or (audio is None and not (house.faults and is_document)):
        house.ledger.note_listed(listed)
        return response
    # A recording is struck at whatever host its audio comes from
    struck = asked if audio is None else replace(asked, endpoint="media", recording_id=audio.recording.recording_id)
    outgoing, manner = conduct.misbehave(house.faults, house.wire, struck, Outgoing.of(response, audio))
    if listed and outgoing.is_whole and manner.stop_after is None:
        house.ledger.note_listed(conduct.shown(house.wire, asked, outgoing, listed))
    note = None if audio is None else house.ledger.served(audio.recording.recording_id)
    return await send(request, outgoing, manner, note)
