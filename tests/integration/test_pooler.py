"""The catalog through PgBouncer in its transaction mode: `apt-get install pgbouncer` brings it, else nothing is run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from archiver.catalog.listening import listening_at
from archiver.catalog.migrate import check_version, load_migrations, migrate, migrations_folder
from archiver.catalog.pool import is_own, open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import AccountName
from archiver.model.errors import CatalogError
from archiver.model.outcome import Stored, Verified
from archiver.model.recording import Claim
from tests.builders import ACCOUNT, make_listed, make_page, make_stored_object, make_walk_request
from tests.contract.catalog.claims import ClaimContract
from tests.contract.catalog.intake import IntakeContract
from tests.contract.catalog.setting import claim, make_rows, record, settle
from tests.servers.pooler import find_pgbouncer, serve_pgbouncer

pytestmark = pytest.mark.skipif(find_pgbouncer() is None, reason="no PgBouncer here: apt-get install pgbouncer")
AT_ONCE = timedelta(milliseconds=200)
IGNORED = (
    "ignore_startup_parameters = enable_seqscan,enable_bitmapscan,jit,idle_in_transaction_session_timeout,"
    "archiver.session"
)


@pytest.fixture
def lent_dsn(catalog_dsn: str, tmp_path: Path) -> Iterator[str]:
    """The test's database through a pooler with two connections to the server."""
    with serve_pgbouncer(tmp_path, catalog_dsn) as dsn:
        yield dsn


@pytest.fixture
async def lent(lent_dsn: str) -> AsyncIterator[Catalog]:
    """A catalog behind the pooler."""
    async with connect(lent_dsn, pool_size=4) as opened:
        yield opened


class TestLentCatalog(IntakeContract, ClaimContract):
    """What is promised of walks' pages and of claims holds through a pooler too."""

    @pytest.fixture
    def catalog(self, lent: Catalog) -> Catalog:
        """The one behind the pooler."""
        return lent


async def test_a_pooler_is_recognised(catalog: Catalog, lent: Catalog, catalog_dsn: str, tmp_path: Path) -> None:
    """Whether a pooler refuses our settings, ignores them, or is said to be there, its sessions are not taken for ours;
    the server's are."""
    assert lent._sessions.is_lent
    assert not catalog._sessions.is_lent
    (tmp_path / "second").mkdir()
    with serve_pgbouncer(tmp_path / "second", catalog_dsn, IGNORED) as dsn:
        async with open_connection(dsn) as connection:
            assert not await is_own(connection)
    async with connect(f"{catalog_dsn}&statement_cache_size=0", 1) as told:
        assert told._sessions.is_lent
        assert (await told.now()).utcoffset() == timedelta(0)


async def test_settings_hold_and_leave_nothing_behind(lent: Catalog, lent_dsn: str) -> None:
    """A statement of ours runs under our settings, and whoever gets the session next does not."""
    assert [row[0] for row in await lent._sessions.fetch("SHOW enable_seqscan")] == ["off"]
    for _ in range(2):
        async with open_connection(lent_dsn) as connection:
            assert await connection.fetchval("SHOW enable_seqscan") == "on"
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0


async def test_many_share_two_sessions(lent: Catalog, lent_dsn: str) -> None:
    """R5: eight workers of two processes over two sessions claim each recording once, and settle it."""
    await lent.enrol(ACCOUNT, "vobiz", "MA_1")
    await record(lent, *make_rows(40))
    claims = list[Claim]()

    async def work(catalog: Catalog) -> None:
        while taken := await claim(catalog, limit=2, slots=8):
            claims.extend(taken)
            await settle(catalog, *(Stored(one, make_stored_object(key=one.listed.recording_id)) for one in taken))
            await settle(catalog, *(Verified(one, "read") for one in taken))

    async with AsyncExitStack() as stack:
        others = await stack.enter_async_context(connect(lent_dsn, pool_size=4))
        await asyncio.gather(*(work(catalog) for catalog in (lent, others) for _ in range(4)))
    assert len(claims) == 40
    assert len({one.row for one in claims}) == 40


async def test_a_schema_is_migrated_through_a_pooler(empty_dsn: str, tmp_path: Path) -> None:
    """R8: of three programs behind a pooler one migrates, and no lock and no setting stays behind with it."""
    names = [migration.name for migration in load_migrations(migrations_folder())]
    with serve_pgbouncer(tmp_path, empty_dsn) as dsn:
        applied = await asyncio.gather(*(migrate(dsn) for _ in range(3)))
        assert sorted(applied, key=len) == [[], [], names]
        assert await asyncio.wait_for(migrate(empty_dsn), 10) == []
        await check_version(dsn)
        async with open_connection(dsn) as connection:
            assert await connection.fetchval("SHOW lock_timeout") == "0"


async def test_what_needs_a_session_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    """R8: a migration that cannot be in a transaction is refused through a pooler, with nothing half done."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "0001_things.sql").write_text("CREATE TABLE things (id integer)")
    (tmp_path / "files" / "0002_index.sql").write_text("-- no-transaction\nCREATE INDEX CONCURRENTLY ON things (id)")
    with serve_pgbouncer(tmp_path, empty_dsn) as dsn, pytest.raises(CatalogError, match="0002_index") as refused:
        await migrate(dsn, tmp_path / "files")
    assert "archiver migrate" in refused.value.fix
    assert len(await migrate(empty_dsn, tmp_path / "files")) == 2


async def test_a_pooler_is_not_listened_through(lent: Catalog, lent_dsn: str, catalog_dsn: str) -> None:
    """Through a pooler nothing would be heard, which is said once; past it, what was recorded through it is."""
    heard: asyncio.Queue[AccountName] = asyncio.Queue()
    await lent.enrol(ACCOUNT, "vobiz", "MA_1")
    with capture_logs() as lines:
        async with listening_at(lent_dsn, heard.put_nowait, AT_ONCE), asyncio.timeout(20):
            while not lines:
                await asyncio.sleep(0.02)
    assert [line["event"] for line in lines] == ["listening_impossible"]
    assert "listen_dsn" in lines[0]["fix"]
    async with listening_at(catalog_dsn, heard.put_nowait), asyncio.timeout(20):
        walk, number = await lent.begin_walk(make_walk_request()), 0
        while heard.empty():
            number += 1
            await lent.record(walk.id, make_page(make_listed(f"r{number}")))
            await asyncio.sleep(0.02)
    assert heard.get_nowait() == ACCOUNT
