"""Migrations: once each, in turn, resumed, and refused when they cannot be right."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from archiver.catalog.migrate import check_version, load_migrations, migrate, migrations_folder
from archiver.catalog.pool import open_connection
from archiver.model.errors import CatalogError

Use: TypeAlias = Callable[[str, Path], Awaitable[object]]
ALL = [migration.name for migration in load_migrations(migrations_folder())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small migrations; the second one runs outside a transaction."""
    (tmp_path / "0001_things.sql").write_text("CREATE TABLE things (id integer); INSERT INTO things VALUES (1)")
    (tmp_path / "0002_index.sql").write_text(
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_id ON things (id)"
    )
    return tmp_path


async def _count(dsn: str, table: str) -> int:
    async with open_connection(dsn) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_schema_is_brought_up_to_date_once(empty_dsn: str) -> None:
    """All migrations are applied to an empty database, and none the second time."""
    assert await migrate(empty_dsn) == ALL
    assert await migrate(empty_dsn) == []
    await check_version(empty_dsn)


async def test_many_at_once_take_turns(empty_dsn: str, folder: Path) -> None:
    """Of five programs that start together one migrates, without a deadlock, and the others find it done (R8)."""
    applied = await asyncio.gather(*(migrate(empty_dsn, folder) for _ in range(5)))
    assert sorted(applied, key=len) == [[], [], [], [], ["0001_things", "0002_index"]]


async def test_an_interrupted_migration_resumes(empty_dsn: str, folder: Path) -> None:
    """A file that fails half-way leaves nothing behind; the next run goes on with it (R8)."""
    good = (folder / "0001_things.sql").read_text()
    (folder / "0001_things.sql").write_text(good + "; SELECT 1 / 0")
    with pytest.raises(CatalogError):
        await migrate(empty_dsn, folder)
    (folder / "0001_things.sql").write_text(good)
    assert await migrate(empty_dsn, folder) == ["0001_things", "0002_index"]
    assert await _count(empty_dsn, "things") == 1


async def test_a_new_file_is_all_that_is_applied(empty_dsn: str, folder: Path) -> None:
    """An older catalog gets only what it lacks."""
    await migrate(empty_dsn, folder)
    (folder / "0003_more.sql").write_text("INSERT INTO things VALUES (2)")
    assert await migrate(empty_dsn, folder) == ["0003_more"]
    assert await _count(empty_dsn, "things") == 2


@pytest.mark.parametrize("use", [migrate, check_version])
async def test_an_edited_file_is_refused(empty_dsn: str, folder: Path, use: Use) -> None:
    """A file that changed after it had been applied is refused by name."""
    await migrate(empty_dsn, folder)
    (folder / "0001_things.sql").write_text("CREATE TABLE others (id integer)")
    with pytest.raises(CatalogError, match=r"0001_things\.sql"):
        await use(empty_dsn, folder)


async def test_a_newer_catalog_is_refused(empty_dsn: str, folder: Path) -> None:
    """A program that knows less than the catalog changes nothing and says what to do (R8)."""
    await migrate(empty_dsn, folder)
    (folder / "0002_index.sql").unlink()
    with pytest.raises(CatalogError, match="at version 2, this program knows 1") as refused:
        await migrate(empty_dsn, folder)
    assert refused.value.fix == "upgrade the program"


@pytest.mark.parametrize("is_empty", [True, False])
async def test_a_manual_schema_is_only_looked_at(empty_dsn: str, folder: Path, *, is_empty: bool) -> None:
    """With ``migrate = "manual"`` what is missing is named with the command that applies it."""
    if not is_empty:
        await migrate(empty_dsn, folder)
        (folder / "0003_more.sql").write_text("SELECT 1")
    with pytest.raises(CatalogError, match="0003_more" if not is_empty else "0001_things") as refused:
        await check_version(empty_dsn, folder)
    assert refused.value.fix == "run: archiver migrate"
