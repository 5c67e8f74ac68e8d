"""Sending answers: audio whole or from some byte on, in the manner that was ordered, noting what really went out."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from aiohttp import web

from archiver.sandbox.audio import Clip, render
from archiver.sandbox.population import Recording

_PIECE_BYTES = 64 * 1024
_TICK_S = 0.05
_FROM_BYTE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True, slots=True)
class Served:
    """One body that went out. The digest is of what was written; ``complete`` means the whole recording."""

    sha256: str
    size_bytes: int
    complete: bool


Note = Callable[[Served], None]
Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Audio:
    """What an answer carries: a recording's audio from byte ``start`` on; ``is_whole`` if that is all of it."""

    recording: Recording
    start: int
    is_whole: bool

    @property
    def clip(self) -> Clip:
        """What was recorded."""
        return self.recording.clip


AUDIO: Final = web.RequestKey("audio", Audio)
"""A handler that answers with audio says so under this key of its request."""

LISTED: Final = web.RequestKey("listed", tuple[str, ...])
"""A handler that answers with a page says here which recordings it lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An answer that is ready to go. ``filler_bytes`` of nothing follow the body; ``audio`` is None for documents.

    ``is_whole`` says that this is all of a recording, or a document that the provider wrote.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    filler_bytes: int = 0
    audio: Audio | None = None
    is_whole: bool = False

    @classmethod
    def of(cls, response: web.Response, audio: Audio | None) -> "Outgoing":
        """The answer that a handler gave."""
        body = response.body if isinstance(response.body, bytes) else b""
        is_whole = audio is None or audio.is_whole
        return cls(status=response.status, headers=dict(response.headers), body=body, audio=audio, is_whole=is_whole)

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return len(self.body) + self.filler_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an answer goes out. ``framing`` is ``length``, ``chunked`` or ``close``; ``end`` what follows the last byte.

    ``stop_after`` so many bytes the answer ends, whatever was promised (None: at its end). ``bytes_per_s`` 0 is as
    fast as it can be.
    """

    framing: str = "length"
    stop_after: int | None = None
    end: str = "finish"
    bytes_per_s: int = 0


USUAL: Final = Manner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which bytes of a body are sent, up to ``end`` (None: its end), and with which status and headers."""

    status: int = 200
    start: int = 0
    end: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def deliver(request: web.Request, recording: Recording, headers: Mapping[str, str]) -> web.Response:
    """Answer 200 with the audio, 206 with its rest for ``Range: bytes=START-``, or 416 when START is behind its end.

    Other forms of ``Range`` are passed over, as RFC 9110 allows.
    """
    body = render(recording.clip)
    asked = _FROM_BYTE.fullmatch(request.headers.get("Range", ""))
    if asked is None:
        return audio(request, recording, body, Part(headers=headers))
    start = int(asked[1])
    if start >= len(body):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
    stated = {**headers, "Content-Range": content_range(start, len(body), len(body))}
    return audio(request, recording, body, Part(status=206, start=start, headers=stated))


def audio(request: web.Request, recording: Recording, body: bytes, part: Part) -> web.Response:
    """An answer with a part of a recording's body, which is noted as such when it goes out."""
    sent = body[part.start : part.end]
    request[AUDIO] = Audio(recording, part.start, len(sent) == len(body))
    return web.Response(status=part.status, headers=part.headers, body=sent)


def content_range(start: int, end: int, size: int) -> str:
    """The header that says which bytes these are: up to ``end``, which is not one of them."""
    return f"bytes {start}-{end - 1}/{size}"


async def send(request: web.Request, outgoing: Outgoing, manner: Manner, note: Note | None) -> web.StreamResponse:
    """Write the answer out in pieces, and note what was written; also when the peer goes away in the middle."""
    response = web.StreamResponse(status=outgoing.status, headers=outgoing.headers)
    digest, size_bytes, is_finished = sha256(), 0, False
    try:
        write = await _open(request, response, outgoing, manner)
        async for piece in _pieces(outgoing, manner):
            await write(piece)
            digest.update(piece)
            size_bytes += len(piece)
        if manner.end == "finish" and manner.framing != "close":
            await response.write_eof()
        is_finished = size_bytes == outgoing.size_bytes
    finally:
        if note is not None:
            note(Served(digest.hexdigest(), size_bytes, is_finished and outgoing.is_whole))
    await _leave(request, manner)
    return response


async def _open(request: web.Request, response: web.StreamResponse, outgoing: Outgoing, manner: Manner) -> Write:
    """Write the head. aiohttp itself never ends a body of HTTP/1.1 by closing, so that head is written by hand."""
    response.headers.popall("Content-Length", None)
    if manner.framing == "close":
        response.headers["Connection"] = "close"
        await request.writer.write_headers(f"HTTP/1.1 {response.status} {response.reason}", response.headers)
        request.writer.send_headers()
        return request.writer.write
    if manner.framing == "chunked":
        response.enable_chunked_encoding()
    else:
        response.content_length = outgoing.size_bytes
    await response.prepare(request)
    return response.write


async def _pieces(outgoing: Outgoing, manner: Manner) -> AsyncIterator[bytes]:
    """The bytes that go out, at their speed."""
    left = outgoing.size_bytes if manner.stop_after is None else min(manner.stop_after, outgoing.size_bytes)
    most = max(1, round(manner.bytes_per_s * _TICK_S)) if manner.bytes_per_s else _PIECE_BYTES
    place = 0
    while place < left:
        if manner.bytes_per_s and place:
            await asyncio.sleep(_TICK_S)
        count = min(most, left - place)
        piece = outgoing.body[place : place + count] or bytes(count)
        yield piece
        place += len(piece)


async def _leave(request: web.Request, manner: Manner) -> None:
    """What follows the last byte, where it is more than the end of the answer."""
    if manner.end == "hang":
        await linger(request)
    elif manner.end == "reset":
        reset(request)
    elif request.transport is not None and "close" in (manner.end, manner.framing):
        request.transport.close()


async def linger(request: web.Request) -> None:
    """Say nothing until the peer goes away."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(_TICK_S)


def reset(request: web.Request) -> None:
    """Break the connection off, so that the peer gets an RST and no end."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
