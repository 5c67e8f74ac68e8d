"""Connections to the catalog. One is held for a transaction only, never while a provider or a storage is asked."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from archiver.catalog.faults import classified, connecting

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"

ANSWER_WITHIN: Final = timedelta(seconds=30)
"""A statement, a connect or a wait for a free connection that takes longer is a catalog that does not answer."""

SCAN_WITHIN: Final = timedelta(minutes=5)
"""The same for the few statements that read an account as a whole."""

# Short statements keep their plans, which spares a third of their time. A plan made while the catalog is empty must
# still serve when it holds a million rows, so none of them may settle on reading a whole table or sorting a whole
# backlog.
_SESSION: Final = {"application_name": "archiver", "enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}
_PLAN_ANEW: Final = "SET LOCAL plan_cache_mode = force_custom_plan"


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _leave_as_is(_: Connection) -> None:
    """Nothing to reset: no session state is ever changed, and an open transaction is rolled back by the pool."""


def _options(answer_within: timedelta) -> dict[str, Any]:
    seconds = answer_within.total_seconds()
    return {"server_settings": _SESSION, "timeout": seconds, "command_timeout": seconds}


@asynccontextmanager
async def open_connection(dsn: str, answer_within: timedelta = ANSWER_WITHIN) -> AsyncIterator[Connection]:
    """One connection of one's own, outside every pool.

    Raises: CatalogUnavailable, CatalogError; ConfigError (key ``catalog.dsn``) for a DSN that cannot be read.
    """
    with connecting():
        connection = await asyncpg.connect(dsn, **_options(answer_within))
    try:
        with classified():
            yield connection
    finally:
        connection.terminate()


@dataclass(frozen=True, slots=True)
class Sessions:
    """The pool, and the one place where its errors become ours."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    answer_within: timedelta

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection; each statement on it is a transaction of its own. Raises: CatalogUnavailable, CatalogError."""
        with classified():
            async with self.pool.acquire(timeout=self.answer_within.total_seconds()) as connection:
                try:
                    yield connection
                except TimeoutError:
                    connection.terminate()  # a frozen server would not answer the clean-up either
                    raise

    @asynccontextmanager
    async def transaction(self, *, plans_anew: bool = False) -> AsyncIterator[Connection]:
        """A connection in a transaction, committed at the end.

        With ``plans_anew`` each statement is planned for its own arguments and the tables as they are now: for those
        that touch many rows. Raises: CatalogUnavailable, CatalogError.
        """
        async with self.connection() as connection, connection.transaction():
            if plans_anew:
                await connection.execute(_PLAN_ANEW)
            yield connection

    async def fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """The rows of one statement. Raises: CatalogUnavailable, CatalogError."""
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def fetch_anew(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """The same for a statement that is planned anew. Raises: CatalogUnavailable, CatalogError."""
        async with self.transaction(plans_anew=True) as connection:
            return await connection.fetch(query, *arguments)


@asynccontextmanager
async def open_sessions(dsn: str, pool_size: int, answer_within: timedelta) -> AsyncIterator[Sessions]:
    """A pool of at most ``pool_size`` connections; one is opened at once, to see that it can be.

    Raises: CatalogUnavailable, CatalogError; ConfigError (key ``catalog.dsn``) for a DSN that cannot be read.
    """
    with connecting():
        pool = await asyncpg.create_pool(
            dsn, min_size=1, max_size=pool_size, init=_prepare, reset=_leave_as_is, **_options(answer_within)
        )
    try:
        yield Sessions(pool, answer_within)
    finally:
        pool.terminate()
