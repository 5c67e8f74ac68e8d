"""The catalog in PostgreSQL: all its ports over one pool of connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from archiver.catalog.coordination import PostgresBudgets, PostgresRuns
from archiver.catalog.custody import PostgresCustody
from archiver.catalog.intake import PostgresIntake
from archiver.catalog.notices import PostgresNoticeBoard
from archiver.catalog.pool import ANSWER_WITHIN, Sessions, open_sessions
from archiver.catalog.statistics import PostgresStatistics
from archiver.catalog.view import PostgresView
from archiver.catalog.work import PostgresWork


class Catalog(
    PostgresIntake,
    PostgresWork,
    PostgresCustody,
    PostgresView,
    PostgresStatistics,
    PostgresBudgets,
    PostgresRuns,
    PostgresNoticeBoard,
):
    """All ports of the catalog in one object, for those who need more than one of them."""

    def __init__(self, sessions: Sessions) -> None:
        PostgresIntake.__init__(self, sessions)
        PostgresWork.__init__(self, sessions)


@asynccontextmanager
async def connect(dsn: str, pool_size: int, answer_within: timedelta = ANSWER_WITHIN) -> AsyncIterator[Catalog]:
    """The catalog behind a DSN, over at most ``pool_size`` connections, for as long as the context is open.

    A call that gets no answer for ``answer_within`` raises ``CatalogUnavailable``; the few that read an account as a
    whole have five minutes. The schema must be up to date: see ``migrate``.

    Raises: CatalogUnavailable, CatalogError; ConfigError (key ``catalog.dsn``) for a DSN that cannot be read.
    """
    async with open_sessions(dsn, pool_size, answer_within) as sessions:
        yield Catalog(sessions)
