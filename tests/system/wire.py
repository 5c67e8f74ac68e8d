"""A wire to a peer that breaks when it is told to: cut, frozen, abandoned, refused, slow. For any stream."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

Ends: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Reach: TypeAlias = Callable[[], Awaitable[Ends]]

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # lingering for zero seconds: closing tells the peer so by a reset
_NO_MORE = 5.0


@dataclass(eq=False)
class _Link:
    """One connection. ``flows`` is cleared while it is frozen."""

    flows: asyncio.Event
    ends: list[Ends]

    def cut(self) -> None:
        for _, writer in self.ends:
            with suppress(OSError):  # closed by the peer a moment ago
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass
class Wire:
    """Listens on a port of the loopback and passes to whomever ``reach`` opens. ``delay_s`` is for each piece."""

    reach: Reach
    port: int = 0
    delay_s: float = 0.0
    opened: int = 0
    _links: set[_Link] = field(default_factory=set)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _listener: asyncio.Server | None = None

    async def accept(self) -> None:
        """Take connections, on the same port as before."""
        if self._listener is None:
            self._flows.set()
            self._listener = await asyncio.start_server(self._join, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut everything, and refuse connections until ``accept``."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for link in list(self._links):
            link.cut()

    def freeze(self) -> None:
        """No byte goes either way, in old connections and in new ones, until ``thaw``."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let bytes go again."""
        self._flows.set()

    def abandon(self) -> None:
        """Freeze the connections that are open for ever, as a lost route does; new ones are good."""
        for link in self._links:
            link.flows = asyncio.Event()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        link = _Link(self._flows, [(reader, writer)])
        self._links.add(link)
        try:
            await link.flows.wait()
            link.ends.append(await self.reach())
            here, there = link.ends
            ways = [asyncio.create_task(self._pass(link, *way)) for way in ((here[0], there[1]), (there[0], here[1]))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return
        finally:
            link.cut()
            self._links.discard(link)

    async def _pass(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_CHUNK_BYTES):
            await asyncio.sleep(self.delay_s)
            await link.flows.wait()
            writer.write(piece)
            await writer.drain()

    async def close(self) -> None:
        """Cut and refuse, and wait until nothing is left."""
        await self.refuse()
        self.thaw()
        async with asyncio.timeout(_NO_MORE):
            while self._links:
                for link in self._links:
                    link.flows.set()
                await asyncio.sleep(0)


@asynccontextmanager
async def wired(reach: Reach) -> AsyncIterator[Wire]:
    """A wire to whomever ``reach`` opens."""
    wire = Wire(reach)
    await wire.accept()
    try:
        yield wire
    finally:
        await wire.close()


@asynccontextmanager
async def detour(dsn: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the PostgreSQL behind a DSN that names a socket's folder, and the DSN that leads through it."""
    parts = urlsplit(dsn)
    options = parse_qs(parts.query)
    path = f"{options['host'][0]}/.s.PGSQL.{options.get('port', ['5432'])[0]}"
    async with wired(lambda: asyncio.open_unix_connection(path)) as wire:
        yield wire, f"postgresql://{options['user'][0]}@127.0.0.1:{wire.port}{parts.path}"
