"""Enter the private server's users, have it run, leave it; the order of the steps is the whole story."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from archiver.catalog.embedded.cluster import USER
from archiver.catalog.embedded.home import Home, open_home, reachable
from archiver.catalog.embedded.server import DATABASE, PORT, Server
from archiver.catalog.embedded.users import as_user


@asynccontextmanager
async def embedded_server(path: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Yield the DSN of the PostgreSQL kept under ``path``, which runs for as long as the context is open.

    The first use creates ``path`` (private to its owner) and an empty database; several processes may be inside at
    once, and the last one out stops the server. A server that dies meanwhile is started again within seconds, with
    every committed row. ``settings`` are PostgreSQL's, laid over ours; who starts the server decides for everybody.

    Raises: ConfigError (key ``catalog.dsn``) when the extra is missing, no server can run on this platform, as this
    user or in this folder, or the data are of another major version; CatalogError when the server refuses to start
    (with the end of its log); CatalogUnavailable when it does not answer within a minute of its start.
    """
    home = open_home(path)
    with reachable(home.sockets) as sockets:
        server = Server(home, sockets, settings or {})
        async with as_user(home, server.stop), _kept_running(home, server):
            yield f"postgresql:///{DATABASE}?host={quote(str(sockets))}&port={PORT}&user={USER}"


@asynccontextmanager
async def _kept_running(home: Home, server: Server) -> AsyncIterator[None]:
    async with home.turn():
        await server.ensure()
    watch = asyncio.create_task(server.watch(), name="embedded-postgres-watch")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])
