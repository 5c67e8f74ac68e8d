"""A proxy before a server that speaks HTTP: passes everything on as it came, and misbehaves where it is told to.

A request's Host is passed on too, for it is signed. Every request is written down: tests tell what was asked for, and
what was written.
"""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final
from urllib.parse import urlsplit

_CHUNK_BYTES: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # lingering for zero seconds: closing tells the peer so by a reset
_WITHIN_S: Final = 60.0
_DRIP_BYTES: Final = 4_096
_DRIP_S: Final = 0.1
_BUSY_BODY: Final = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)
_BUSY: Final = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(_BUSY_BODY)
    + _BUSY_BODY
)


class Kind(StrEnum):
    """What may go wrong with a request or its answer."""

    BUSY = "503 SlowDown"
    RESET = "reset after half of the request's body"
    LOST = "carried out, and reset before its answer"
    FLIP = "a flipped bit in the answer's body"
    SHORT = "the connection is closed after half of the answer's body"
    STALL = "no byte follows the first half of the answer's body"
    SLOW = "the answer's body comes in drips"
    HELD_BEFORE = "stands still before it is passed on, until released"
    HELD_AFTER = "stands still before its answer is passed back, until released"


@dataclass(slots=True, kw_only=True)
class Strike:
    """What happens to requests with this method in whose target the pattern ``target`` is found.

    To ``times`` of them (0: for ever), after the first ``skip``, of the ``share`` that ``random`` picks.
    """

    kind: Kind
    method: str = ""
    target: str = ""
    skip: int = 0
    times: int = 1
    share: float = 1.0
    random: Random = field(default_factory=lambda: Random(1))
    count: int = 0

    def hits(self, request: str) -> bool:
        """Whether it is this request's turn, which is counted."""
        is_meant = request.startswith(self.method) and re.search(self.target, request) is not None
        if not is_meant or (self.times and self.count >= self.times):
            return False
        if self.skip:
            self.skip -= 1
            return False
        is_hit = self.random.random() < self.share
        self.count += is_hit
        return is_hit


class _Broken(Exception):
    """The connection is to be reset."""


@dataclass(frozen=True, slots=True)
class _Head:
    raw: bytes

    @property
    def request(self) -> str:
        method, target, _ = self.raw.decode("latin-1").split(" ", 2)
        return f"{method} {target}"

    @property
    def has_body(self) -> bool:
        return self.raw.split(b" ", 2)[1][:3] not in {b"204", b"304"}

    @property
    def length(self) -> int:
        return int(self.field(b"content-length") or 0)

    @property
    def is_chunked(self) -> bool:
        return self.field(b"transfer-encoding").lower() == b"chunked"

    def field(self, name: bytes) -> bytes:
        for line in self.raw.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name:
                return value.strip()
        return b""


@dataclass(frozen=True, slots=True)
class _End:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> _Head:
        return _Head(await self.reader.readuntil(b"\r\n\r\n"))

    async def body(self, head: _Head) -> AsyncIterator[bytes]:
        """The body in pieces, with the frames of its chunks if it has any."""
        while head.is_chunked:
            line = await self.reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await self.reader.readexactly(size + 2)
            if size == 0:
                return
        left = head.length
        while left:
            piece = await self.reader.read(min(left, _CHUNK_BYTES))
            if not piece:
                raise _Broken
            left -= len(piece)
            yield piece

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    def cut(self) -> None:
        with suppress(OSError):  # closed by the peer a moment ago
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """Stands before ``upstream``. ``requests`` are all that came, like ``GET /bucket/key?query``.

    ``held`` is set when a request stands still; ``released`` lets it go on.
    """

    upstream: str
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set["asyncio.Task[None]"] = field(default_factory=set)

    def strike(self, *strikes: Strike) -> None:
        """From now on these happen, and nothing else; for each request the first one that hits."""
        self.strikes = list(strikes)
        self.held.clear()
        self.released.clear()

    def writes(self, since: int = 0) -> list[str]:
        """The requests from a place on that may have changed something, but for what probes try out."""
        return [
            request
            for request in self.requests[since:]
            if not request.startswith(("GET ", "HEAD ")) and "/.archiver/probe/" not in request
        ]

    async def until(self, pattern: str, since: int) -> None:
        """Return when a request came, from a place on, in which the pattern is found."""
        async with asyncio.timeout(_WITHIN_S):
            while not any(re.search(pattern, request) for request in self.requests[since:]):
                await asyncio.sleep(0.05)

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        address, ends = urlsplit(self.upstream), [_End(reader, writer)]
        try:
            ends.append(_End(*await asyncio.open_connection(address.hostname, address.port)))
            while True:
                await self._exchange(*ends)
        except (_Broken, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled by ``close`` alone, and asyncio's server would tell of it
        finally:
            for end in ends:
                end.cut()
            self._links.discard(task)

    async def close(self) -> None:
        """End every connection."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _exchange(self, here: _End, there: _End) -> None:
        """Pass one request on and its answer back."""
        head = await here.head()
        self.requests.append(head.request)
        kind = next((strike.kind for strike in self.strikes if strike.hits(head.request)), None)
        if kind is Kind.BUSY:
            async for _ in here.body(head):
                pass
            await here.send(_BUSY)
            return
        await self._hold(kind is Kind.HELD_BEFORE)
        await _forward(here, there, head, cut_at=head.length // 2 if kind is Kind.RESET else None)
        answer = await there.head()
        await self._hold(kind is Kind.HELD_AFTER)
        if kind is Kind.LOST:
            raise _Broken
        await here.send(answer.raw)
        if not head.request.startswith("HEAD ") and answer.has_body:
            await _answer(there, here, answer, kind)
        if answer.field(b"connection").lower() == b"close":
            raise _Broken

    async def _hold(self, is_held: bool) -> None:
        if is_held:
            self.held.set()
            await self.released.wait()


async def _forward(here: _End, there: _End, head: _Head, cut_at: int | None) -> None:
    await there.send(head.raw)
    passed = 0
    if cut_at == 0:
        raise _Broken
    async for piece in here.body(head):
        await there.send(piece)
        passed += len(piece)
        if cut_at is not None and passed >= cut_at:
            raise _Broken


async def _answer(there: _End, here: _End, head: _Head, kind: Kind | None) -> None:
    passed, middle = 0, head.length // 2
    async for piece in there.body(head):
        is_middle = passed <= middle < passed + len(piece)
        passed += len(piece)
        if kind is Kind.SLOW:
            await _drip(here, piece)
        elif is_middle and kind is Kind.FLIP:
            await here.send(piece[:-1] + bytes([piece[-1] ^ 1]))
        elif is_middle and kind in {Kind.SHORT, Kind.STALL}:
            await here.send(piece[: len(piece) // 2])
            await asyncio.Event().wait() if kind is Kind.STALL else await _hang_up(here)
        else:
            await here.send(piece)


async def _drip(here: _End, piece: bytes) -> None:
    for start in range(0, len(piece), _DRIP_BYTES):
        await here.send(piece[start : start + _DRIP_BYTES])
        await asyncio.sleep(_DRIP_S)


async def _hang_up(here: _End) -> None:
    """Close as if that were all."""
    here.writer.close()
    await here.writer.wait_closed()
    raise _Broken


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy before ``upstream``, like ``http://127.0.0.1:8333``."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.join, "127.0.0.1", 0)
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
