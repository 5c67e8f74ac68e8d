"""Bring the schema up to date: forward only, each file once, one program at a time.

Context: several programs may start on one catalog at the same time. Decision: they take turns by polling an advisory
lock; waiting inside the server would hold a snapshot there, on which ``CREATE INDEX CONCURRENTLY`` waits in turn.
Each file is a transaction together with its entry in ``schema_migrations``, so an interrupted run goes on behind the
last whole file. A file whose first line is ``-- no-transaction`` holds one statement that may be run again, such as
``CREATE INDEX CONCURRENTLY IF NOT EXISTS``. Price: the lock needs a session of our own. Through a pooler that lends one
for a transaction only, all files are one transaction, which holds the lock; those that cannot be in one are refused.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from archiver.catalog.pool import Connection, is_own, open_connection
from archiver.model.errors import CatalogError, CatalogUnavailable

_LOCK: Final = 0x61726368  # "arch"
_LOCK_SESSION: Final = "SELECT pg_try_advisory_lock($1)"
_LOCK_TRANSACTION: Final = "SELECT pg_try_advisory_xact_lock($1)"
_PATIENCE: Final = timedelta(minutes=10)
_POLL: Final = timedelta(milliseconds=100)
_STATEMENT_WITHIN: Final = timedelta(minutes=15)
_NO_TRANSACTION: Final = "-- no-transaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: ``0001_recordings.sql`` has version 1 and the name ``0001_recordings``."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What an applied file is recognised by."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def has_transaction(self) -> bool:
        """Whether it runs in a transaction."""
        return not self.sql.startswith(_NO_TRANSACTION)


def migrations_folder() -> Path:
    """Where the files are: inside the installed package, or in the checkout beside it."""
    installed = Path(str(files("archiver"))) / "_migrations"
    return installed if installed.is_dir() else installed.parent.parent / "migrations"


def load_migrations(folder: Path) -> Sequence[Migration]:
    """The migrations of a folder, in order."""
    return [
        Migration(version=int(path.stem.partition("_")[0]), name=path.stem, sql=path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[0-9]*_*.sql"))
    ]


async def migrate(dsn: str, folder: Path | None = None) -> Sequence[str]:
    """Apply what is missing; answers the names of the files that were applied now.

    Raises: CatalogError when the catalog is newer than this program, or an applied file was edited since;
    CatalogUnavailable when the catalog does not answer, is locked by others, or another program migrates for over
    ten minutes.
    """
    known = load_migrations(folder or migrations_folder())
    async with open_connection(dsn) as connection:
        if not await is_own(connection):
            return await _migrate_lent(connection, known)
        await _take_turn(connection, _LOCK_SESSION)
        await connection.execute(_TABLE)
        missing = await _missing(connection, known)
        await connection.execute(_TIMEOUTS)
        for migration in missing:
            await _apply(connection, migration)
        return [migration.name for migration in missing]


async def lacking(dsn: str, folder: Path | None = None) -> Sequence[str]:
    """The migrations that the schema still lacks, by name; nothing is changed.

    Raises: CatalogError when it is newer, or an applied file was edited since; CatalogUnavailable.
    """
    known = load_migrations(folder or migrations_folder())
    async with open_connection(dsn) as connection:
        return [migration.name for migration in await _missing(connection, known)]


async def check_version(dsn: str, folder: Path | None = None) -> None:
    """See that the schema is the one this program knows, and change nothing.

    Raises: CatalogError when it is older or newer, or an applied file was edited since; CatalogUnavailable.
    """
    if missing := await lacking(dsn, folder):
        raise CatalogError(f"the catalog's schema lacks {', '.join(missing)}", fix="run: archiver migrate")


async def is_empty(dsn: str) -> bool:
    """Whether the catalog holds no schema yet. Raises: CatalogUnavailable, CatalogError."""
    async with open_connection(dsn) as connection:
        return not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")


async def _migrate_lent(connection: Connection, known: Sequence[Migration]) -> Sequence[str]:
    """Apply what is missing in one transaction. Nothing of it stays behind in the session, which others get next."""
    async with connection.transaction():
        await _take_turn(connection, _LOCK_TRANSACTION)
        await connection.execute(_TABLE)
        missing = await _missing(connection, known)
        await connection.execute(_TIMEOUTS.replace("SET ", "SET LOCAL "))
        for migration in missing:
            if not migration.has_transaction:
                raise CatalogError(
                    f"{migration.name} cannot be applied through a pooler that lends a session for a transaction only",
                    fix="run `archiver migrate` with a catalog.dsn that names the server itself",
                )
            await _apply(connection, migration)
        return [migration.name for migration in missing]


async def _take_turn(connection: Connection, lock: str) -> None:
    """Take the advisory lock; the end of the session, or of the transaction, gives it back."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _PATIENCE.total_seconds()
    while not await connection.fetchval(lock, _LOCK):
        if loop.time() > give_up_at:
            raise CatalogUnavailable(f"another program has been migrating the catalog for over {_PATIENCE}")
        await asyncio.sleep(_POLL.total_seconds())


async def _missing(connection: Connection, known: Sequence[Migration]) -> Sequence[Migration]:
    """What is not applied yet, after a look at what is."""
    if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
        return known
    rows = await connection.fetch("SELECT version, name, sha256 FROM schema_migrations ORDER BY version")
    newest = max((migration.version for migration in known), default=0)
    if rows and rows[-1]["version"] > newest:
        raise CatalogError(
            f"the catalog's schema is at version {rows[-1]['version']}, this program knows {newest}",
            fix="upgrade the program",
        )
    applied = {row["version"]: row["sha256"] for row in rows}
    for migration in known:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise CatalogError(
                f"{migration.name}.sql was edited after it had been applied to the catalog",
                fix="restore the file; write what is to change as a new migration",
            )
    return [migration for migration in known if migration.version not in applied]


async def _apply(connection: Connection, migration: Migration) -> None:
    arguments = (migration.version, migration.name, migration.sha256)
    seconds = _STATEMENT_WITHIN.total_seconds()
    if not migration.has_transaction:
        await connection.execute(migration.sql, timeout=seconds)
        await connection.execute(_APPLIED, *arguments)
        return
    async with connection.transaction():
        await connection.execute(migration.sql, timeout=seconds)
        await connection.execute(_APPLIED, *arguments)


# A lock that is not had soon is given up and tried again later, since everybody else queues behind the wait for it.
_TIMEOUTS: Final = "SET lock_timeout = '5s'; SET statement_timeout = '15min'"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
_APPLIED: Final = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"
