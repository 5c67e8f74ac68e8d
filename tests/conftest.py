"""PostgreSQL for tests: one server per worker, one migrated template, one database per test."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import migrate
from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect

FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Nothing of a test need survive the machine."""


@pytest.fixture(scope="session")
async def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server: the one that ``ARCHIVER_TEST_DSN`` names, else a throwaway one of this worker's own.

    A DSN names the server's socket folder, as ``postgresql:///postgres?host=/socket/folder&user=…`` does.
    """
    if dsn := os.environ.get("ARCHIVER_TEST_DSN"):
        yield dsn
        return
    async with embedded_server(tmp_path_factory.mktemp("postgres"), FORGETFUL) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def template(server_dsn: str) -> AsyncIterator[str]:
    """The name of a migrated database, to be cloned."""
    async with _database(server_dsn, None) as dsn:
        await migrate(dsn)
        yield urlsplit(dsn).path.removeprefix("/")


@pytest.fixture
async def empty_dsn(server_dsn: str) -> AsyncIterator[str]:
    """A database of the test's own, with nothing in it."""
    async with _database(server_dsn, None) as dsn:
        yield dsn


@pytest.fixture
async def catalog_dsn(server_dsn: str, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    async with _database(server_dsn, template) as dsn:
        yield dsn


@pytest.fixture
async def catalog(catalog_dsn: str) -> AsyncIterator[Catalog]:
    """A catalog of the test's own, with no account enrolled."""
    async with connect(catalog_dsn, pool_size=8) as opened:
        yield opened


@asynccontextmanager
async def _database(server_dsn: str, template: str | None) -> AsyncIterator[str]:
    """A database for as long as the context is open. Copying its files is five times as fast as logging them."""
    name = f"test_{uuid4().hex}"
    async with open_connection(server_dsn) as connection:
        clone = f"TEMPLATE {template} STRATEGY file_copy" if template else ""
        await connection.execute(f"CREATE DATABASE {name} {clone}")
    try:
        server = urlsplit(server_dsn)
        yield f"{server.scheme}://{server.netloc}/{name}?{server.query}"
    finally:
        async with open_connection(server_dsn) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
