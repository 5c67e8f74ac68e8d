"""Catalogs that are cut, frozen, refused, lost, restarted: work waits, goes on soon after, and does nothing twice."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.model.errors import CatalogUnavailable
from archiver.pipeline.retry import RetryPolicy
from tests.system.brittle import Order, until_said
from tests.system.oracle import consult, leftovers
from tests.system.stage import Answer, Stage, ended, staged
from tests.system.warm import Process
from tests.system.wire import Wire, detour

SHORT = timedelta(seconds=1)
OPTIONS = ("--recordings", "60", "--audio-seconds", "1", "--page-cap", "20", "--late-arrivals", "0")
WAITING = b'"event": "retry"'
"""What a command says when it waits for the catalog."""


@dataclass
class Far:
    """A stage whose catalog lies behind a wire, so slow that there is a middle to interrupt."""

    stage: Stage
    wire: Wire

    async def start(self, *words: str, hurry: float = 1.0) -> Process:
        """Start a command for which time goes by faster."""
        return await Order(folder=str(self.stage.folder), hurry=hurry).start(self.stage.config, *words)

    async def check(self, answer: Answer) -> None:
        """Everything is archived, and was fetched once."""
        assert answer.code == 0, answer.stdout + answer.stderr
        self.wire.thaw()
        await self.wire.accept()
        assert len(await consult(self.stage)) == 60
        assert await self.stage.media_requests() == 60
        assert not leftovers(self.stage)


@pytest.fixture
async def far(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Far]:
    """A sandbox, and a catalog over TCP."""
    async with detour(catalog_dsn) as (wire, dsn), staged(tmp_path, dsn, *OPTIONS) as stage:
        stage.amend('[transfer]\nlease = "2s"', rate_limit='"40/s"')
        yield Far(stage, wire)


@pytest.fixture
async def wire_and_catalog(catalog_dsn: str) -> AsyncIterator[tuple[Wire, Catalog]]:
    """A catalog behind a wire that has to answer within a second, with all four connections open."""
    async with detour(catalog_dsn) as (wire, dsn), connect(dsn, 4, SHORT) as catalog:
        await asyncio.gather(*(catalog._sessions.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
        yield wire, catalog


async def freeze_inside(wire: Wire, catalog: Catalog) -> None:
    """Freeze in the middle of a transaction."""
    async with catalog._sessions.transaction() as connection:
        wire.freeze()
        await connection.fetch("SELECT 1")


async def test_a_catalog_that_freezes_in_a_transaction_is_waited_for(wire_and_catalog: tuple[Wire, Catalog]) -> None:
    """R4: that it does not answer any more is passing trouble, found out once and not a second time by a rollback."""
    wire, catalog = wire_and_catalog
    with pytest.raises(CatalogUnavailable):
        async with asyncio.timeout(1.9 * SHORT.total_seconds()):
            await freeze_inside(wire, catalog)
    wire.thaw()
    await catalog.now()


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(9)", "SELECT 1"])
async def test_a_cut_in_a_transaction_is_passing_trouble(
    wire_and_catalog: tuple[Wire, Catalog], statement: str
) -> None:
    """R4: cut while a statement runs or between two of them, whatever the driver says of its own clean-up."""
    wire, catalog = wire_and_catalog

    async def ask() -> None:
        async with catalog._sessions.transaction() as connection:
            asyncio.get_running_loop().call_later(0.01, wire.cut)
            while True:
                await connection.fetch(statement)

    for _ in range(5):
        with pytest.raises(CatalogUnavailable):
            await ask()
    await catalog.now()


async def test_a_call_that_is_cancelled_does_not_wait_for_a_frozen_catalog(
    wire_and_catalog: tuple[Wire, Catalog],
) -> None:
    """T2, R4: cancelling is what comes out, at once, and the connection is not used again."""
    wire, catalog = wire_and_catalog
    task = asyncio.create_task(freeze_inside(wire, catalog))
    while wire._flows.is_set():
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=0.9 * SHORT.total_seconds())
    assert done
    assert task.cancelled()


async def test_connections_that_died_together_are_found_out_together(wire_and_catalog: tuple[Wire, Catalog]) -> None:
    """R4: when a route was lost, one call waits in vain; the next one gets a new connection."""
    wire, catalog = wire_and_catalog
    wire.abandon()
    with pytest.raises(CatalogUnavailable):
        await catalog.now()
    await catalog.now()


async def test_a_client_that_stops_in_a_transaction_frees_its_rows(wire_and_catalog: tuple[Wire, Catalog]) -> None:
    """R5: the server ends its transaction, others go on, and the client hears that it may try again."""
    _, catalog = wire_and_catalog
    take = "SELECT pg_advisory_xact_lock(1)"

    async def stop_inside() -> None:
        async with catalog._sessions.transaction() as stopped:
            await stopped.fetch(take)
            await RetryPolicy().outlast(catalog._sessions.fetch, take)
            await stopped.fetch("SELECT 1")

    with pytest.raises(CatalogUnavailable):
        await stop_inside()
    await catalog.now()


async def test_cuts_at_random_moments_cost_nothing(far: Far) -> None:
    """R4, O6: every connection is cut again and again, to the end of the run, and nothing is fetched twice."""
    moments = random.Random(4)
    process = await far.stage.start("backfill")
    await far.stage.until_served(1)
    running = asyncio.create_task(ended(process))
    while not (await asyncio.wait([running], timeout=moments.uniform(0.2, 1.5)))[0]:
        far.wire.cut()
    await far.check(await running)


async def test_a_catalog_that_refuses_for_a_while(far: Far) -> None:
    """R4: refused connections are tried again without a rush, and work goes on within 30 s of the return."""
    process = await far.stage.start("backfill")
    await far.stage.until_served(10)
    await far.wire.refuse()
    await until_said(process, WAITING)
    before = await far.stage.media_requests()
    returned_at = time.monotonic()
    await far.wire.accept()
    await far.stage.until_served(before + 1)
    assert time.monotonic() - returned_at < 30
    await far.check(await ended(process))
    assert far.wire.opened < 60


async def test_an_outage_before_the_first_download_is_outlasted(tmp_path: Path, catalog_dsn: str) -> None:
    """R4: a catalog that goes while the account is being identified is waited for as in the middle of the work."""
    options = ("--provider", "vonage_vbc", "--recordings", "5", "--audio-seconds", "1", "--late-arrivals", "0")
    slowly = ("--fault", "delay:seconds=3,share=1,times=1,on=list")
    async with detour(catalog_dsn) as (wire, dsn), staged(tmp_path, dsn, *options, *slowly) as stage:
        process = await stage.start("backfill")
        while not (await stage.ledger())["requests"]["list"]:
            await asyncio.sleep(0.02)
        await wire.refuse()
        await until_said(process, WAITING)
        await wire.accept()
        answer = await ended(process)
        assert answer.code == 0, answer.stderr
        assert len(await consult(stage)) == 5


async def test_a_catalog_that_freezes_for_a_while(far: Far) -> None:
    """R4: pauses shorter and longer than a statement may take are outlasted; what is in flight is not done twice."""
    process = await far.start("backfill", hurry=10)
    await far.stage.until_served(10)
    far.wire.freeze()
    await far.stage.media_requests()
    far.wire.thaw()
    await far.stage.until_served(25)
    far.wire.freeze()
    await until_said(process, WAITING)
    far.wire.thaw()
    await far.check(await ended(process))


async def test_all_sessions_are_terminated(far: Far, server_dsn: str, catalog_dsn: str) -> None:
    """R4: an administrator ends every session, three times; the run goes on in new ones."""
    process = await far.stage.start("backfill")
    for served in (5, 20, 40):
        await far.stage.until_served(served)
        async with open_connection(server_dsn) as connection:
            query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1"
            assert await connection.fetchval(query, urlsplit(catalog_dsn).path.removeprefix("/")) > 0
    await far.check(await ended(process))


async def test_an_embedded_server_that_dies_is_started_again(tmp_path: Path) -> None:
    """R4: killed and shut down in the middle, it is back within seconds, and everything is archived, once.

    A walk that runs across a crash cannot prove that it saw everything, and is incomplete: exit code 1.
    """
    async with staged(tmp_path, "embedded:./var/catalog", *OPTIONS) as stage:
        stage.amend(rate_limit='"40/s"')
        process = await stage.start("backfill")
        for served, number in ((10, signal.SIGKILL), (35, signal.SIGINT)):
            await stage.until_served(served)
            os.kill(int((tmp_path / "var/catalog/data/postmaster.pid").read_text().split()[0]), number)
        answer = await ended(process)
        assert answer.code == int("forgot what it had seen" in answer.stderr), answer.stderr
        assert len(await consult(stage)) == 60
        assert await stage.media_requests() == 60


async def test_a_catalog_that_stays_away_ends_the_run(far: Far) -> None:
    """R4: after five minutes the run ends with 3 and says why; what was in flight is not lost to the next one."""
    process = await far.start("backfill", "--json", hurry=40)
    await far.stage.until_served(10)
    await far.wire.refuse()
    answer = await ended(process)
    assert answer.code == 3
    assert answer.json["error"]["code"] == "catalog_unavailable"
    await far.wire.accept()
    again = await far.stage.run("backfill")
    assert again.code == 0, again.stderr
    assert len(await consult(far.stage)) == 60


async def test_every_command_says_that_the_catalog_is_away(far: Far) -> None:
    """R4: refused or frozen, within 35 s, with exit code 3 and one sentence."""
    commands = [("status",), ("ls",), ("verify", "--all"), ("backfill",)]
    far.wire.freeze()
    frozen = [await far.start(*command, "--json", hurry=20) for command in commands[::3]]
    await check_that_it_is_told(frozen)
    await far.wire.refuse()
    await check_that_it_is_told([await far.stage.start(*command, "--json") for command in commands])


async def check_that_it_is_told(commands: list[Process]) -> None:
    """Each ends with 3; those that hurry would need 45 s to wait as long as a migration may take."""
    for process in commands:
        answer = await ended(process, 30)
        assert answer.code == 3, answer.stderr
        assert answer.json["error"]["message"].startswith("the catalog does not answer: ")


async def test_a_second_signal_does_not_wait_for_a_frozen_catalog(far: Far) -> None:
    """T2: with nothing coming back, the second signal still ends the run at once."""
    process = await far.stage.start("backfill")
    await far.stage.until_served(5)
    far.wire.freeze()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # another one, since two of a kind may arrive as one
    assert (await ended(process, 15)).code == 1
