"""Sending a body of audio, whole or from some byte on, and noting what really went out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

_PIECE_BYTES = 64 * 1024
_FROM_BYTE = re.compile(r"bytes=(\d+)-")

Note = Callable[[bytes, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which bytes of a body go out, and with which status and headers; ``Content-Length`` is added."""

    status: int
    start: int
    end: int
    headers: Mapping[str, str] = field(default_factory=dict)


async def deliver(request: web.Request, body: bytes, content_type: str, note: Note) -> web.StreamResponse:
    """Answer 200 with the body, 206 with its rest for ``Range: bytes=START-``, or 416 when START is behind its end.

    Other forms of ``Range`` are passed over, as RFC 9110 allows. ``note`` gets the bytes that were written and
    whether they were the whole body; also when the peer goes away in the middle.
    """
    asked = _FROM_BYTE.fullmatch(request.headers.get("Range", ""))
    start = int(asked[1]) if asked else 0
    if start >= len(body):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
    headers = {"Content-Type": content_type}
    if asked:
        headers["Content-Range"] = content_range(start, len(body), len(body))
    part = Part(status=206 if asked else 200, start=start, end=len(body), headers=headers)
    return await send(request, body, part, note)


async def send(request: web.Request, body: bytes, part: Part, note: Note) -> web.StreamResponse:
    """Answer with a part of the body, in pieces, and note what was written of it."""
    response = web.StreamResponse(status=part.status, headers=part.headers)
    response.content_length = part.end - part.start
    place, is_whole = part.start, False
    try:
        await response.prepare(request)
        while place < part.end:
            piece = body[place : min(place + _PIECE_BYTES, part.end)]
            await response.write(piece)
            place += len(piece)
        await response.write_eof()
        is_whole = (part.start, part.end) == (0, len(body))
    finally:
        note(body[part.start : place], is_whole)
    return response


def content_range(start: int, end: int, size: int) -> str:
    """The header that says which bytes these are: up to ``end``, which is not one of them."""
    return f"bytes {start}-{end - 1}/{size}"
