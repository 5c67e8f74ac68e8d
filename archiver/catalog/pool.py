"""Connections to the catalog. One is held for a transaction only, never while a provider or a storage is asked.

A pooler in front of the server may lend a connection for a transaction only, as PgBouncer does in its transaction mode.
Context: nothing of a session outlasts a transaction there, neither its settings nor its prepared statements, and the
parameters that open a session are refused or ignored. Decision: a session of our own is recognised by one of these
parameters; without it nothing is prepared, and every statement of ours runs in a transaction that begins with the
settings. Price: three more ways to the pooler and back for a statement that would have stood alone.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeAlias
from weakref import WeakSet

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from archiver.catalog.faults import classified, connecting

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record] | Session"

ANSWER_WITHIN: Final = timedelta(seconds=20)
"""A statement, a connect or a wait for a free connection that takes longer is a catalog that does not answer. What was
asked of a lost connection just before the catalog's return is given up and asked again within half a minute."""

SCAN_WITHIN: Final = timedelta(minutes=5)
"""The same for the few statements that read an account as a whole."""

# Short statements keep their plans, which spares a third of their time. A plan made while the catalog is empty must
# still serve when it holds a million rows, so none of them may settle on reading a whole table or sorting a whole
# backlog.
_PLANNING: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}
_NAMED: Final = {"application_name": "archiver"}
_OWNED: Final = {"archiver.session": "own"}
_IS_OWN: Final = "SELECT current_setting('archiver.session', true) IS NOT DISTINCT FROM 'own'"
_SAYS_LENT: Final = "statement_cache_size=0"
_PLAN_ANEW: Final = "SET LOCAL plan_cache_mode = force_custom_plan"


async def _leave_as_is(_: Connection) -> None:
    """Nothing to reset: no session state is ever changed, and no transaction is left open."""


def _options(answer_within: timedelta) -> dict[str, Any]:
    """However long a statement may take, a connect is no statement.

    Nothing but the catalog is waited for in a transaction. One that is idle belongs to a client that was stopped or
    cut off, and the server ends it: the rows that it has locked would stay locked for everybody else.
    """
    return {
        "server_settings": _NAMED | _OWNED | _settings(answer_within),
        "timeout": min(answer_within, ANSWER_WITHIN).total_seconds(),
        "command_timeout": answer_within.total_seconds(),
    }


def _lent_options(answer_within: timedelta) -> dict[str, Any]:
    """The same for connections that are lent for a transaction."""
    return _options(answer_within) | {"server_settings": _NAMED, "statement_cache_size": 0}


def _settings(answer_within: timedelta) -> dict[str, str]:
    silence = f"{min(answer_within, ANSWER_WITHIN).total_seconds():.3f}s"
    return _PLANNING | {"idle_in_transaction_session_timeout": silence}


def _read(dsn: str) -> tuple[str, bool]:
    """The DSN as the driver takes it, and whether it says that connections are lent: ``?statement_cache_size=0``."""
    address, _, query = dsn.partition("?")
    kept = [part for part in query.split("&") if part and part != _SAYS_LENT]
    return "?".join(part for part in (address, "&".join(kept)) if part), _SAYS_LENT in query.split("&")


@asynccontextmanager
async def open_connection(dsn: str, answer_within: timedelta = ANSWER_WITHIN) -> AsyncIterator[Connection]:
    """One connection of one's own, outside every pool.

    Raises: CatalogUnavailable, CatalogError; ConfigError (key ``catalog.dsn``) for a DSN that cannot be read.
    """
    with connecting():
        connection = await _open(dsn, answer_within)
    try:
        with classified():
            yield connection
    finally:
        connection.terminate()


async def _open(dsn: str, answer_within: timedelta) -> Session:
    """A connection on which nothing is prepared: whose session it uses is not known before it is open."""
    dsn, is_lent = _read(dsn)
    if not is_lent:
        with suppress(asyncpg.ProtocolViolationError):  # as which a pooler refuses parameters that it does not know
            return await asyncpg.connect(dsn, statement_cache_size=0, **_options(answer_within))
    return await asyncpg.connect(dsn, **_lent_options(answer_within))


async def is_own(connection: Connection) -> bool:
    """Whether the session is ours; else it is lent for a transaction, and keeps nothing that we set or lock there."""
    answer: bool = await connection.fetchval(_IS_OWN)
    return answer


@dataclass(frozen=True, slots=True)
class Sessions:
    """The pool, and the one place where its errors become ours. ``is_lent``: for a transaction only."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    answer_within: timedelta
    is_lent: bool
    _open: "WeakSet[Session]"
    _in_use: set[int] = field(default_factory=set)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection; each statement on it is a transaction of its own. Raises: CatalogUnavailable, CatalogError."""
        with classified():
            async with self.pool.acquire(timeout=self.answer_within.total_seconds()) as connection:
                process_id = connection.get_server_pid()
                self._in_use.add(process_id)
                try:
                    yield connection
                except TimeoutError:
                    self._drop_idle()
                    _give_up(connection)
                    raise
                except asyncio.CancelledError:
                    _give_up(connection)
                    raise
                finally:
                    self._in_use.discard(process_id)

    def _drop_idle(self) -> None:
        """One connection does not answer: those that lie idle may be as dead, and would each be waited for in turn."""
        for session in list(self._open):
            if not session.is_closed() and session.get_server_pid() not in self._in_use:
                session.terminate()

    @asynccontextmanager
    async def transaction(self, *, plans_anew: bool = False) -> AsyncIterator[Connection]:
        """A connection in a transaction, committed at the end.

        With ``plans_anew`` each statement is planned for its own arguments and the tables as they are now: for those
        that touch many rows. Raises: CatalogUnavailable, CatalogError.
        """
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                if self.is_lent:
                    await connection.execute(self._settings)
                elif plans_anew:
                    await connection.execute(_PLAN_ANEW)
                yield connection
            except (TimeoutError, asyncio.CancelledError):
                raise  # without a rollback: the connection is given up as a whole
            except BaseException:
                await transaction.rollback()
                raise
            await transaction.commit()

    @property
    def _settings(self) -> str:
        settings = _settings(self.answer_within)
        return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())

    async def fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """The rows of one statement. Raises: CatalogUnavailable, CatalogError."""
        async with self.transaction() if self.is_lent else self.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def fetch_anew(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """The same for a statement that is planned anew. Raises: CatalogUnavailable, CatalogError."""
        async with self.transaction(plans_anew=True) as connection:
            return await connection.fetch(query, *arguments)


@asynccontextmanager
async def open_sessions(dsn: str, pool_size: int, answer_within: timedelta) -> AsyncIterator[Sessions]:
    """A pool of at most ``pool_size`` connections. One is opened before, to see that it can be, and whose it would be.

    Raises: CatalogUnavailable, CatalogError; ConfigError (key ``catalog.dsn``) for a DSN that cannot be read.
    """
    async with open_connection(dsn, answer_within) as first:
        is_lent = not await is_own(first)
    options = _lent_options(answer_within) if is_lent else _options(answer_within)
    opened: WeakSet[Session] = WeakSet()

    async def prepare(session: Session) -> None:
        await session.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        opened.add(session)

    # None is kept ready: the pool would try to behind everybody's back, and write each failure into the log.
    pool = await asyncpg.create_pool(
        _read(dsn)[0], min_size=0, max_size=pool_size, init=prepare, reset=_leave_as_is, **options
    )
    try:
        yield Sessions(pool, answer_within, is_lent, opened)
    finally:
        pool.terminate()


def _give_up(connection: Connection) -> None:
    """Close without a word: a frozen server would answer neither a rollback nor the request to cancel a statement."""
    with suppress(asyncpg.InterfaceError):  # closed, and so back in the pool, already
        connection.terminate()
