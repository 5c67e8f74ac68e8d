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
from archiver.model.outcome import Failed
from archiver.model.units import parse_rate
from archiver.net.pacing import AccountPacer, SharedPacer, budget_of
from archiver.ports.coordination import RunKind
from tests.builders import ACCOUNT, make_listed, make_page, make_walk_request
from tests.contract.catalog.setting import claim, make_rows, record, settle

BUDGET = budget_of("vobiz api.example.com MA_1", parse_rate("100/s"), 2)
LEASE = timedelta(minutes=1)
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


async def test_a_pacer_that_waits_hears_of_a_silence(processes: list[Catalog]) -> None:
    """P1: who waited for a share while another process was told to be silent takes a new one after the silence."""
    budget, waited = budget_of("slow", parse_rate("1/min"), 1), list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            await processes[1].silence(budget, timedelta(milliseconds=500))
        else:
            await asyncio.sleep(0.5)

    pacer = SharedPacer(processes[0], budget, AccountPacer(parse_rate("1000/s"), 10), sleep, lambda: sum(waited))
    await pacer.turn()
    await pacer.turn()
    assert 59 < waited[0] < 62
    assert 110 < waited[1] < 125  # the share of the minute after that is gone, too


async def test_a_freeze_is_told_to_the_others(processes: list[Catalog]) -> None:
    """P1: what one pacer learned from a 429 is in the catalog as soon as it says that it told."""
    pacer = SharedPacer(processes[0], BUDGET, AccountPacer(parse_rate("100/s"), 2))
    pacer.freeze(timedelta(seconds=20))
    await pacer.told()
    assert await processes[1].silent_for(BUDGET) > timedelta(seconds=19)


async def test_slots_are_exact_however_many_race_for_them(processes: list[Catalog]) -> None:
    """P2: twelve workers of four processes never hold more than the account's five slots, and leave none behind."""
    await record(processes[0], *make_rows(60))
    held, most, done = 0, 0, list[int]()

    async def work(catalog: Catalog) -> None:
        nonlocal held, most
        while len(done) < 60:
            claims = await claim(catalog, limit=2, slots=5)
            held += len(claims)
            most = max(most, held)
            await asyncio.sleep(0)
            held -= len(claims)  # from here on the catalog decides
            await settle(catalog, *(Failed(one, "410") for one in claims))
            done.extend(one.row for one in claims)

    await asyncio.gather(*(work(catalog) for catalog in processes for _ in range(3)))
    assert len(done) == len(set(done)) == 60
    assert 1 < most <= 5
    await record(processes[0], *(make_listed(f"later{number}") for number in range(9)))
    assert len(await claim(processes[0], slots=5)) == 5


async def test_one_of_many_walks_a_listing(processes: list[Catalog]) -> None:
    """R5: of four processes that begin an exclusive walk at the same time one does, and the others hear of it."""
    answers = await asyncio.gather(
        *(one.begin_walk(make_walk_request(is_exclusive=True)) for one in processes), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Held", "Held", "Held", "Walk"]


async def test_a_run_is_one_process_s(processes: list[Catalog]) -> None:
    """T1: of many that see the same fire time one begins the run; once it is done none does again."""
    for fire_at in (NOON, NOON + timedelta(minutes=15)):
        begun = await asyncio.gather(*(one.begin_run(ACCOUNT, RunKind.WALK, fire_at, LEASE) for one in processes))
        (run,) = [lease for lease in begun if lease is not None]
        await processes[0].end_run(run)
        await processes[0].end_run(run)
        assert await processes[1].begin_run(ACCOUNT, RunKind.WALK, fire_at, LEASE) is None


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
WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()
"""
_CUT = f"SELECT pg_terminate_backend(pid, 5000) {_LISTENERS}"


async def _until_listening(dsn: str) -> None:
    async with asyncio.timeout(20), open_connection(dsn) as connection:
        while not await connection.fetchval(f"SELECT count(*) {_LISTENERS} AND state = 'idle'"):
            await asyncio.sleep(0.02)
