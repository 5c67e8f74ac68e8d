"""A way to PostgreSQL that breaks when it is told to: after a commit has arrived there, before its answer is back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

Ends: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class LossyWay:
    """``dsn`` leads through it. While ``loses_commits`` is set, no answer to a COMMIT comes back."""

    dsn: str
    loses_commits: bool = False

    async def join(self, client: Ends, server: Ends) -> None:
        """Carry bytes both ways until an end closes or an answer is lost."""
        back = asyncio.create_task(_carry(server[0], client[1]))
        try:
            while message := await client[0].read(65_536):
                if self.loses_commits and b"COMMIT" in message:
                    back.cancel()
                    server[1].write(message)
                    await server[0].read(1)  # the server answers, so it has committed
                    return
                server[1].write(message)
        except ConnectionError:
            return
        finally:
            back.cancel()
            client[1].close()
            server[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while message := await reader.read(65_536):
        writer.write(message)


@asynccontextmanager
async def lossy_way(dsn: str) -> AsyncIterator[LossyWay]:
    """A way to the server behind a DSN with a socket."""
    parts = urlsplit(dsn)
    options = parse_qs(parts.query)
    socket = f"{options['host'][0]}/.s.PGSQL.{options.get('port', ['5432'])[0]}"
    way = LossyWay("")

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await way.join((reader, writer), await asyncio.open_unix_connection(socket))

    async with await asyncio.start_server(join, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        way.dsn = f"postgresql://{options['user'][0]}@127.0.0.1:{port}{parts.path}"
        yield way
