"""Processes that share a catalog: rates, scheduled runs, and words about new work; each with its own connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from archiver.catalog.listening import listening_at
from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import AccountName
from archiver.model.errors import CatalogUnavailable
from archiver.model.units import parse_rate
from archiver.net.pacing import AccountPacer, SharedPacer, budget_of
from archiver.ports.coordination import RunKind
from tests.builders import ACCOUNT, make_listed, make_page, make_walk_request

BUDGET = budget_of("vobiz api.example.com MA_1", parse_rate("100/s"), 2)
LEASE = timedelta(minutes=1)
SHORT = timedelta(milliseconds=50)
NOON = datetime(2026, 1, 26, 12, tzinfo=UTC)


@pytest.fixture
async def processes(catalog_dsn: str) -> AsyncIterator[list[Catalog]]:
    """Four processes, each with connections of its own."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(catalog_dsn, pool_size=4)) for _ in range(4)]
        await opened[0].enrol(ACCOUNT, "vobiz", "MA_1")
        yield opened


async def test_a_rate_is_one_for_all_processes(processes: list[Catalog]) -> None:
    """P1: shares that four processes take at the same time are as far apart as those of one, but for the burst."""
    waits = await asyncio.gather(*(one.reserve(BUDGET, 1) for one in processes for _ in range(10)))
    due = sorted(waits)
    assert due[0] == due[1] == timedelta(0)
    taken = [wait for wait in due if wait]
    span = taken[-1] - taken[0]
    assert span >= BUDGET.interval * (len(taken) - 1) * 0.9
    assert len(taken) >= 30


async def test_turns_of_many_processes_use_the_rate(processes: list[Catalog]) -> None:
    """P1: four processes that want more than the rate allows get nine tenths of it or more, and never more than it."""
    loop, times = asyncio.get_running_loop(), list[float]()
    rate = parse_rate("100/s")
    budget = budget_of("shared", rate, 1)

    async def request(catalog: Catalog) -> None:
        pacer = SharedPacer(catalog, budget, AccountPacer(rate, 1))
        for _ in range(30):
            await pacer.turn()
            times.append(loop.time())

    await asyncio.gather(*(request(one) for one in processes))
    times.sort()
    span = times[-1] - times[0]
    assert (len(times) - 1) / span <= 100 * 1.02
    assert (len(times) - 1) / span >= 100 * 0.7, "far below the rate"
    # Shares of 50 ms are taken at once, by each of four
    windows = [later - earlier for earlier, later in pairwise(times[::50])]
    assert min(windows) >= 0.25


async def test_a_silence_holds_for_all(processes: list[Catalog]) -> None:
    """P1: after one process was told to be silent no other one gets a share before that is over, and then but one."""
    await processes[0].silence(BUDGET, timedelta(seconds=30))
    await processes[1].silence(BUDGET, timedelta(seconds=1))  # shortens nothing
    waits = [await one.reserve(BUDGET, 1) for one in processes]
    assert timedelta(seconds=29) < waits[0] < timedelta(seconds=30)
    assert waits[1] - waits[0] > BUDGET.interval / 2
    assert await processes[2].silent_for(BUDGET) > timedelta(seconds=29)


async def test_a_pacer_that_waits_hears_of_a_silence(processes: list[Catalog], catalog_dsn: str) -> None:
    """P1: who waited for a share while another process was told to be silent takes a new one after the silence."""
    budget, waited = budget_of("slow", parse_rate("1/min"), 1), list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            await processes[1].silence(budget, timedelta(seconds=600))
        else:  # it is over
            async with open_connection(catalog_dsn) as connection:
                await connection.execute("UPDATE rate_budgets SET silent_until = 'epoch', full_at = 'epoch'")

    pacer = SharedPacer(processes[0], budget, AccountPacer(parse_rate("1000/s"), 10), sleep)
    await pacer.turn()
    await pacer.turn()
    assert 59 < waited[0] < 62
    assert 540 < waited[1] < 780
    assert len(waited) == 2


async def test_a_freeze_is_told_to_the_others(processes: list[Catalog]) -> None:
    """P1: what one pacer learned from a 429 is in the catalog as soon as it says that it told."""
    pacer = SharedPacer(processes[0], BUDGET, AccountPacer(parse_rate("100/s"), 2))
    pacer.freeze(timedelta(seconds=20))
    await pacer.told()
    assert await processes[1].silent_for(BUDGET) > timedelta(seconds=19)


async def test_without_a_catalog_a_process_keeps_its_own_pace() -> None:
    """P1: a catalog that is away stops no request, and makes none faster."""

    class Away:
        async def reserve(self, *_: object) -> timedelta:
            raise CatalogUnavailable("away")

        async def silent_for(self, *_: object) -> timedelta:
            raise CatalogUnavailable("away")

        async def silence(self, *_: object) -> None:
            raise CatalogUnavailable("away")

    slept = list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    clock = iter(range(1000, 9000))
    own = AccountPacer(parse_rate("1/min"), 1, lambda: float(next(clock)), sleep)
    pacer = SharedPacer(Away(), BUDGET, own, sleep)
    await pacer.turn()
    await asyncio.wait_for(pacer.turn(), 5)
    assert len(slept) > 50


async def test_a_run_is_one_process_s(processes: list[Catalog]) -> None:
    """T1: of many that see the same fire time one begins the run; once it is done none does again."""
    for fire_at in (NOON, NOON + timedelta(minutes=15)):
        begun = await asyncio.gather(*(one.begin_run(ACCOUNT, RunKind.WALK, fire_at, LEASE) for one in processes))
        (run,) = [lease for lease in begun if lease is not None]
        await processes[0].end_run(run)
        await processes[0].end_run(run)
        assert await processes[1].begin_run(ACCOUNT, RunKind.WALK, fire_at, LEASE) is None


async def test_a_run_of_the_dead_is_taken_over(processes: list[Catalog]) -> None:
    """T1: a run that was given back, or whose holder died, is begun by the next one that looks; the dead one's word
    counts no more."""
    first = await processes[0].begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, SHORT)
    assert first is not None
    assert await processes[1].begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, LEASE) is None
    await asyncio.sleep(2 * SHORT.total_seconds())
    second = await processes[1].begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, LEASE)
    assert second is not None
    assert not await processes[0].renew_run(first, LEASE)
    await processes[0].end_run(first)
    await processes[1].release_run(second)
    third = await processes[2].begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, LEASE)
    assert third is not None
    assert await processes[2].renew_run(third, LEASE)


async def test_no_run_begins_while_another_goes_on(processes: list[Catalog]) -> None:
    """T1: a newer fire time waits for the run that is held, and kinds and accounts are in nobody's way."""
    assert await processes[0].begin_run(ACCOUNT, RunKind.WALK, NOON, LEASE)
    assert await processes[1].begin_run(ACCOUNT, RunKind.WALK, NOON + LEASE, LEASE) is None
    assert await processes[1].begin_run(ACCOUNT, RunKind.VERIFY, NOON, LEASE)


async def test_a_clock_that_was_wrong_stops_no_run(processes: list[Catalog]) -> None:
    """T1: after a run with a fire time of tomorrow, of a clock that was set since, today's runs begin all the same."""
    run = await processes[0].begin_run(ACCOUNT, RunKind.WALK, datetime.now(UTC) + timedelta(days=1), LEASE)
    assert run is not None
    await processes[0].end_run(run)
    assert await processes[0].begin_run(ACCOUNT, RunKind.WALK, datetime.now(UTC), LEASE)


async def test_new_work_wakes_the_others(processes: list[Catalog], catalog_dsn: str) -> None:
    """New recordings are heard of by every listener, also after its connection was cut; known ones are not."""
    heard: asyncio.Queue[AccountName] = asyncio.Queue()
    async with listening_at(catalog_dsn, heard.put_nowait):
        for number in range(2):
            await _until_listening(catalog_dsn)
            walk = await processes[0].begin_walk(make_walk_request())
            for _ in range(2):
                await processes[0].record(walk.id, make_page(make_listed(f"r{number}")))
            assert await asyncio.wait_for(heard.get(), 10) == ACCOUNT
            async with open_connection(catalog_dsn) as connection:
                await connection.execute(_CUT)
    assert heard.empty()


_LISTENERS = """
FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE '%pg_notify($1%' AND pid <> pg_backend_pid()
"""
_CUT = f"SELECT pg_terminate_backend(pid, 5000) {_LISTENERS}"


async def _until_listening(dsn: str) -> None:
    async with asyncio.timeout(20), open_connection(dsn) as connection:
        while not await connection.fetchval(f"SELECT count(*) {_LISTENERS} AND state = 'idle'"):
            await asyncio.sleep(0.02)
