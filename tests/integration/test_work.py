"""Claims and outcomes in PostgreSQL, while the server misbehaves."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.model.errors import CatalogError, CatalogUnavailable, ConfigError
from archiver.model.outcome import Damaged, Failed, Stored
from archiver.model.recording import State
from tests.builders import ACCOUNT, make_listed, make_stored_object
from tests.contract.catalog.setting import HOUR, claim, claim_one, record, show
from tests.integration.lossy import lossy_way

QUICKLY = timedelta(milliseconds=500)
PASSWORD = "hunter2"


@pytest.fixture
async def work(catalog: Catalog) -> Catalog:
    """A catalog with one pending recording."""
    await catalog.enrol(ACCOUNT, "vobiz", "MA_1")
    await record(catalog, make_listed())
    return catalog


async def test_a_lost_answer_repeats_nothing(work: Catalog, catalog_dsn: str) -> None:
    """An outcome whose commit arrived is ours when it is repeated, and stands in the history once (R4)."""
    held = await claim_one(work)
    async with lossy_way(catalog_dsn) as way, connect(way.dsn, 2) as far:
        way.loses_commits = True
        with pytest.raises(CatalogUnavailable):
            await far.settle([Stored(held, make_stored_object())])
        way.loses_commits = False
        assert await far.settle([Stored(held, make_stored_object())]) == frozenset()
    assert [event.name for event in await work.history(held.row)] == ["recorded", "stored"]


async def test_terminated_sessions_are_replaced(work: Catalog, catalog_dsn: str) -> None:
    """When all sessions are terminated, a call fails as passing trouble at worst, and the next one works (R4)."""
    async with open_connection(catalog_dsn) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()"
        )
    answers = 0
    for _ in range(10):
        try:
            answers += (await work.now()) is not None
        except CatalogUnavailable:
            continue
    assert answers > 0
    assert await claim(work)


async def test_a_frozen_server_is_unavailable(work: Catalog, catalog_dsn: str) -> None:
    """A session that is frozen in the middle of a transaction gives no answer in time, and is left behind (R4)."""
    held = await claim_one(work)
    async with connect(catalog_dsn, 1, QUICKLY) as near, _frozen(near):
        with pytest.raises(CatalogUnavailable):
            await near.settle([Stored(held, make_stored_object())])
        assert await near.settle([Stored(held, make_stored_object())]) == frozenset()


@asynccontextmanager
async def _frozen(catalog: Catalog) -> AsyncIterator[None]:
    """Freeze the server's process that has the only session."""
    ((process,),) = await catalog._sessions.fetch("SELECT pg_backend_pid()")
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """A catalog that cannot be reached may come back."""
    with pytest.raises(CatalogUnavailable):
        async with connect(f"postgresql://archiver:{PASSWORD}@127.0.0.1:9/archive", 1):
            pass


async def test_a_missing_database_needs_a_hand(server_dsn: str) -> None:
    """What repeating does not cure says what does."""
    with pytest.raises(CatalogError) as refused:
        async with connect(server_dsn.replace("?", "_of_nobody?", 1), 1):
            pass
    assert not isinstance(refused.value, CatalogUnavailable)
    assert refused.value.fix


async def test_a_missing_schema_needs_a_hand(empty_dsn: str) -> None:
    """A catalog that was never migrated names the command that does it."""
    async with connect(empty_dsn, 1) as opened:
        with pytest.raises(CatalogError) as refused:
            await opened.status()
    assert refused.value.fix == "run: archiver migrate"


@pytest.mark.parametrize(
    "dsn",
    [f"mysql://u:{PASSWORD}@h/d", f"postgresql://u:{PASSWORD}/x@h/d", f"postgresql://u@h:{PASSWORD}/d"],
)
async def test_a_dsn_that_cannot_be_read_is_not_shown(dsn: str) -> None:
    """No part of a DSN, which may be the password, gets into an error (S5)."""
    with pytest.raises(ConfigError) as refused:
        async with connect(dsn, 1):
            pass
    assert refused.value.key == "catalog.dsn"
    assert PASSWORD not in f"{refused.value} {refused.value.fix} {refused.value.__cause__}"


async def test_an_error_quotes_no_row(work: Catalog) -> None:
    """What the schema refuses is said without the row, which holds telephone numbers."""
    number = make_listed().from_number
    assert number
    with pytest.raises(CatalogError) as refused:
        async with work._sessions.connection() as connection:
            await connection.execute("UPDATE recordings SET state = 'nonsense'")
    assert number not in f"{refused.value} {refused.value.__cause__}"


async def test_what_was_stored_never_fails(work: Catalog) -> None:
    """Permanent evidence against a damaged recording leaves it damaged, to be tried again later."""
    held = await claim_one(work)
    await work.settle([Stored(held, make_stored_object())])
    await work.settle([Damaged(held, "other bytes", HOUR)])
    held = await claim_one(work)
    await work.settle([Failed(held, "410")])
    found = await show(work)
    assert (found.state, found.error, found.attempts) == (State.DAMAGED, "410", 2)
    assert found.next_attempt_at is not None


async def test_an_error_is_cut(work: Catalog) -> None:
    """An error of any length and with any characters is kept, cut to 2,000 characters."""
    await work.settle([Failed(await claim_one(work), "\x00\ud800" + "x" * 5000)])
    error = (await show(work)).error
    assert error is not None
    assert len(error) == 2000
