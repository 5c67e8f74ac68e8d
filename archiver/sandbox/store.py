"""A bucket on a host of its own, to which a provider redirects some of its media."""

from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import quote

from aiohttp import web

from archiver.sandbox import hosting
from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import deliver
from archiver.sandbox.hosting import House
from archiver.sandbox.population import Recording, Stock

Sign = Callable[[str], str]
MediaType = Callable[[Recording], str]


class Store:
    """A bucket that trusts its own signatures only, and takes foreign credentials for an attack on their owner."""

    def __init__(self, origin: str, stock: Stock, house: House, sign: Sign) -> None:
        self._origin = origin
        self._stock = stock
        self._house = house
        self._sign = sign

    def url(self, recording_id: str) -> str:
        """The signed address of a recording's audio."""
        return f"{self._origin}/recordings/{quote(recording_id)}?Signature={self._sign(recording_id)}"

    def application(self, media_type: MediaType) -> web.Application:
        """What the bucket answers; ``media_type`` is what it calls a recording's audio."""

        async def send(request: web.Request) -> web.StreamResponse:
            recording = self._stock.find(request.match_info["recording_id"])
            if recording is None:
                return _error(404, "NoSuchKey")
            return deliver(request, recording, {"Content-Type": media_type(recording)})

        return hosting.host(
            self._house,
            _describe,
            self._check,
            web.get("/recordings/{recording_id}", send, name="store", allow_head=False),
            web.route("*", "/{path:.*}", _nothing),
        )

    def _check(self, request: web.Request) -> web.Response | None:
        names = [name.lower() for name in request.headers]
        if any(name == "authorization" or name.startswith("x-auth-") for name in names):
            self._house.ledger.credential_leaks += 1
            return _error(400, "InvalidArgument")
        signature = self._sign(request.match_info.get("recording_id", ""))
        is_signed = compare_digest(request.query.get("Signature", "").encode(), signature.encode())
        return None if is_signed else _error(403, "AccessDenied")


def _describe(request: web.Request) -> Asked:
    return Asked(endpoint=hosting.endpoint(request), recording_id=request.match_info.get("recording_id"))


async def _nothing(_request: web.Request) -> web.Response:
    return _error(404, "NoSuchKey")


def _error(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
