"""Workers: exact caps, slots that always come back, leases that are kept or lost one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import stamina

from archiver.model.errors import Denied, StorageError, Unreachable
from archiver.model.outcome import Outcome, Verified
from archiver.model.recording import LeaseId, State
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.workers import Workers
from archiver.ports.catalog import ClaimRequest, Outlook
from archiver.ports.provider import MediaRequest
from tests.fakes.catalog import FakeCatalog
from tests.fakes.provider import make_recording
from tests.unit.pipeline.bench import MS, Bench, GatedProvider, RunningClock, make_account

NAMES = [f"r{number}" for number in range(10)]


async def turn(times: int = 50) -> None:
    """Let everything that can go on do so."""
    for _ in range(times):
        await asyncio.sleep(0)


async def ready(bench: Bench, *names: str) -> GatedProvider:
    """Recordings that are listed and offered behind a gate."""
    provider = bench.provider = GatedProvider()
    bench.offer(*names)
    await bench.record(*names)
    return provider


async def start(bench: Bench, workers: Workers) -> asyncio.Task[None]:
    """Let workers run until nothing moves."""
    running = asyncio.create_task(workers.run(await bench.request()))
    await turn()
    return running


async def test_the_account_cap_is_exact(tmp_path: Path) -> None:
    """As many downloads are open as the account allows, never one more, and none fewer (P2)."""
    bench = Bench(tmp_path, account=make_account(concurrency=3))
    async with bench.start():
        provider = await ready(bench, *NAMES)
        running = await start(bench, bench.workers())
        assert (provider.open, bench.tally.in_flight) == (3, 3)
        provider.gate.set()
        await running
    assert provider.most == 3
    assert await bench.states() == {State.VERIFIED: 10}


async def test_the_process_cap_is_exact(tmp_path: Path) -> None:
    """All accounts together have no more open than the process allows, and none is left without (P2, D7)."""
    slots = asyncio.Semaphore(5)
    one = Bench(tmp_path, process_slots=slots)
    two = Bench(tmp_path, account=make_account("other"), process_slots=slots)
    async with one.start(), two.start():
        providers = [await ready(bench, *NAMES) for bench in (one, two)]
        running = [await start(bench, bench.workers()) for bench in (one, two)]
        assert [provider.open for provider in providers] == [4, 1]
        for provider in providers:
            provider.gate.set()
        await asyncio.gather(*running)
    assert [await bench.states() for bench in (one, two)] == [{State.VERIFIED: 10}] * 2
    assert (one.free_slots(), two.free_slots()) == ((4, 5), (4, 5))


async def test_no_more_is_claimed_than_is_worked_on(bench: Bench) -> None:
    """Slot first, claim second: what has no slot stays free for others (R5)."""
    async with bench.start():
        provider = await ready(bench, *NAMES)
        running = await start(bench, bench.workers())
        outlook = await bench.catalog.outlook(await bench.request())
        assert (outlook.leased, outlook.claimable) == (4, 6)
        provider.gate.set()
        await running


async def fail(bench: Bench) -> None:
    """Every media request is cut."""
    bench.provider.fail("open_media", *[Unreachable("reset")] * 100)
    await bench.workers().run(await bench.request())


async def deny(bench: Bench) -> None:
    """The account is refused."""
    bench.provider.fail("open_media", *[Denied("401")] * 100)
    await bench.workers().run(await bench.request())


async def cancel(bench: Bench) -> None:
    """The whole pass is cancelled while its downloads hang."""
    assert isinstance(bench.provider, GatedProvider)
    bench.provider.gate.clear()
    running = await start(bench, bench.workers())
    running.cancel()
    await asyncio.wait([running])


async def cancel_before_the_first_step(bench: Bench) -> None:
    """Downloads are cancelled that never began."""
    workers = bench.workers()
    async with asyncio.TaskGroup() as group:
        await workers._start_some(group, await bench.request())
        for task in workers._running.values():
            task.cancel()
    assert not workers._running


async def lose_the_storage(bench: Bench) -> None:
    """The storage is away for longer than our patience."""
    bench.storage.trouble = StorageError("gone")
    with stamina.set_testing(True, attempts=2), pytest.raises(ExceptionGroup):
        await bench.workers().run(await bench.request())


@pytest.mark.parametrize("way_out", [fail, deny, cancel, cancel_before_the_first_step, lose_the_storage])
async def test_slots_come_back_on_every_way_out(bench: Bench, way_out: Callable[[Bench], Awaitable[None]]) -> None:
    """However downloads end, their slots are free again (P5)."""
    async with bench.start():
        provider = await ready(bench, *NAMES[:6])
        provider.gate.set()
        await way_out(bench)
    assert bench.free_slots() == (4, 32)
    assert bench.tally.in_flight == 0


async def test_a_refused_account_is_paused(bench: Bench) -> None:
    """After refused credentials nothing more is claimed; what was claimed is given back, no attempt used."""
    async with bench.start():
        provider = await ready(bench, *NAMES)
        provider.fail("open_media", *[Denied("401")] * 10)
        workers = bench.workers()
        running = await start(bench, workers)
        provider.gate.set()
        await running
        assert len(provider.media_requests) == 4
        assert (await bench.catalog.outlook(await bench.request())).leased == 0
    assert isinstance(workers.denied, Denied)
    assert bench.tally.trouble is workers.denied


async def test_drain_finishes_what_runs(bench: Bench) -> None:
    """Draining claims nothing more, and what runs is archived (T2)."""
    async with bench.start():
        provider = await ready(bench, *NAMES)
        workers = bench.workers()
        running = await start(bench, workers)
        workers.drain()
        await turn()
        assert not running.done()
        provider.gate.set()
        await running
    assert await bench.states() == {State.VERIFIED: 4, State.PENDING: 6}


async def test_a_lost_lease_ends_its_own_download_only(bench: Bench) -> None:
    """A download whose lease was taken over is cancelled; the others go on under renewed leases (R5)."""
    bench.lease = 30 * MS
    async with bench.start():
        provider = await ready(bench, "r1", "r2")
        workers = bench.workers()
        running = await start(bench, workers)
        bench.catalog.clock.advance(timedelta(hours=1))
        stolen = await bench.claim(lease=timedelta(hours=9))
        await provider.closed.wait()
        workers.drain()
        provider.gate.set()
        await running
        assert await bench.catalog.living([stolen.lease]) == {stolen.lease}
    assert await bench.states() == {State.PENDING: 1, State.VERIFIED: 1}
    assert await bench.state(stolen.listed.recording_id) is State.PENDING


async def test_a_long_download_keeps_its_lease(bench: Bench) -> None:
    """While a download takes longer than a lease, nobody else can claim it (R5)."""
    bench.lease = 30 * MS
    async with bench.start():
        provider = await ready(bench, "r1")
        running = await start(bench, bench.workers())
        began = bench.catalog.clock.now()
        while bench.catalog.clock.now() - began < 3 * bench.lease:
            assert not await bench.catalog.claim(await bench.request())
            await asyncio.sleep(0.005)
        provider.gate.set()
        await running
    assert await bench.state() is State.VERIFIED


async def test_retries_happen_within_the_pass(bench: Bench) -> None:
    """A recording that fails comes again within the pass, as often as the policy allows, and no more."""
    async with bench.start():
        provider = await ready(bench, "r1")
        provider.gate.set()
        provider.fail("open_media", *[Unreachable("reset")] * 5)
        await bench.workers().run(await bench.request())
        assert await bench.state() is State.PENDING
        assert [one.attempt for one in provider.media_requests] == [0, 1, 2]
        await bench.workers().run(await bench.request())
    assert await bench.state() is State.VERIFIED
    assert [one.attempt for one in provider.media_requests] == [0, 1, 2, 3, 4, 5]


async def test_a_pass_does_not_wait_for_what_is_not_ready(bench: Bench) -> None:
    """Media that is not there yet is left to a later pass: a pass ends without it (B5)."""
    bench.policy = replace(bench.policy, not_ready=20 * MS)
    async with asyncio.timeout(0.2), bench.start():
        await bench.record("r1")
        bench.provider.add(make_recording("r1", body=None))
        await bench.workers().run(await bench.request())
    assert await bench.states() == {State.PENDING: 1}


async def test_a_dead_process_work_is_taken_over(bench: Bench) -> None:
    """A pass waits for what is leased elsewhere, and takes it over when the lease runs out (R5)."""
    async with bench.start():
        provider = await ready(bench, "r1")
        provider.gate.set()
        await bench.claim(lease=50 * MS)
        await bench.workers().run(await bench.request())
    assert await bench.state() is State.VERIFIED
    assert provider.media_requests == [MediaRequest(recording=provider.find("r1").listed)]


async def test_what_the_last_page_brings_is_not_missed(bench: Bench) -> None:
    """A listing that ends while the workers look whether anything is left leaves nothing to the next pass (O5)."""
    walking = True

    class EndingCatalog(FakeCatalog):
        async def outlook(self, request: ClaimRequest) -> Outlook:
            nonlocal walking
            seen = await super().outlook(request)
            if walking:
                await bench.record("late")
                walking = False
                workers.bell.set()
            return seen

    bench.catalog = EndingCatalog(RunningClock())
    bench.registrar = Registrar(bench.catalog, bench.policy)
    bench.offer("late")
    async with bench.start():
        workers = replace(bench.workers(), is_walking=lambda: walking)
        await workers.run(await bench.request())
        assert await bench.states() == {State.VERIFIED: 1}


class SlowToAnswer(FakeCatalog):
    """Commits at once what was verified, and answers only when ``answer`` is set."""

    def __init__(self) -> None:
        super().__init__(RunningClock())
        self.answer = asyncio.Event()
        self.renewals = 0

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Commit, then keep silent."""
        lost = await super().settle(outcomes)
        if any(isinstance(outcome, Verified) for outcome in outcomes):
            await self.answer.wait()
        return lost

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        """Renew; the first renewal after the commit ends the silence."""
        self.renewals += 1
        held = await super().renew(leases, lease)
        if not held:
            self.answer.set()
        return held


async def test_what_is_committed_is_counted(bench: Bench) -> None:
    """T5: a renewal that comes between the commit of an outcome and its answer takes nothing from the numbers."""
    bench.catalog = catalog = SlowToAnswer()
    bench.registrar = Registrar(catalog, bench.policy)
    bench.lease = 60 * MS
    bench.offer("r1")
    async with bench.start():
        await bench.record("r1")
        await bench.workers().run(await bench.request())
    assert catalog.renewals
    assert (bench.tally.stored, bench.tally.verified) == (1, 1)
