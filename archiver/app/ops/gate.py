"""Who is let in, and how many: the token, the headers of every answer, and a bound on connections.

The token is asked for as ``Authorization: Bearer TOKEN``. A browser cannot send that by itself, so it may also be the
password of a basic login, whatever the name. It is asked for at every address, ``/healthz`` included: the container's
own probe knows it, and what is reachable from elsewhere tells strangers nothing, not even that it lives (S6).
"""

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from archiver.model.secret import Secret

log = structlog.get_logger()

MOST_CONNECTIONS: Final = 64
"""More are closed as they come: downloads need the file descriptors, and monitors are few."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "archiver",
    "X-Content-Type-Options": "nosniff",
}
_ASKED: Final = ("Bearer", 'Basic realm="archiver", charset="UTF-8"')


def guarded(token: Secret | None) -> Middleware:
    """Ask for the token, and never show what went wrong inside."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            is_let_in = token is None or _is_let_in(request, token)
            response = await handler(request) if is_let_in else _who_are_you()
        except web.HTTPException as refusal:
            response = web.Response(status=refusal.status, text=f"{refusal.reason}\n", headers=_kept(refusal))
        except Exception:
            log.exception("endpoint_broke", path=request.path)
            response = web.Response(status=500, text="Internal Server Error\n")
        response.headers.update(_HEADERS)
        return response

    return guard


def bounded(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """What answers a new connection: the server, while not too many are open."""
    return lambda: server() if len(server.connections) < MOST_CONNECTIONS else _TurnedAway()


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _who_are_you() -> web.Response:
    response = web.Response(status=401, text="Unauthorized\n")
    for scheme in _ASKED:
        response.headers.add("WWW-Authenticate", scheme)
    return response


def _kept(refusal: web.HTTPException) -> dict[str, str]:
    return {name: refusal.headers[name] for name in ("Allow",) if name in refusal.headers}


def _is_let_in(request: web.Request, token: Secret) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    found = {"bearer": _token, "basic": _password}.get(scheme.lower(), _nothing)(given.strip())
    return hmac.compare_digest(found, token.reveal().encode())


def _token(given: str) -> bytes:
    return given.encode(errors="surrogateescape")  # as which aiohttp reads bytes that are no UTF-8


def _password(given: str) -> bytes:
    try:
        return b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _nothing(_given: str) -> bytes:
    return b""
