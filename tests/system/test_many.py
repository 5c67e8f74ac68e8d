"""Many processes on one catalog and storage, many failures in one: nothing twice, nothing false, nothing piles up."""

import asyncio
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from archiver.model.errors import Unreachable
from archiver.model.recording import Claim, LeaseId, State
from archiver.ports.catalog import ClaimRequest
from tests.fakes.catalog import FakeCatalog
from tests.system.oracle import consult, leftovers
from tests.system.stage import Stage, ended, staged
from tests.unit.pipeline.bench import MS, Bench, RunningClock

COUNT = 200
CONCURRENCY = 8
OPTIONS = ("--recordings", str(COUNT), "--audio-seconds", "1", "--late-arrivals", "0")
SLOWLY = ("--fault", "delay:seconds=0.3,share=1,times=0,on=media")


async def test_three_backfills_fetch_everything_once(tmp_path: Path, catalog_dsn: str) -> None:
    """R5: three processes at once on one catalog and storage ask for each recording once, and share the work."""
    async with staged(tmp_path, catalog_dsn, *OPTIONS, *SLOWLY) as stage:
        answers = await asyncio.gather(*(stage.run("backfill", "--json") for _ in range(3)))
        assert [answer.code for answer in answers] == [0, 0, 0], [answer.stderr for answer in answers]
        assert len(await consult(stage)) == COUNT
        assert await stage.media_requests() == COUNT
    assert sum(answer.json["total"]["done"]["verified"] for answer in answers) == COUNT


async def test_a_stopped_process_wakes_up_and_changes_nothing(tmp_path: Path, catalog_dsn: str) -> None:
    """R5: of three processes one is killed and one stopped past its leases; the third does their work, once; the
    woken one changes neither rows nor bytes."""
    async with staged(tmp_path, catalog_dsn, *OPTIONS, *SLOWLY) as stage:
        stage.amend('[transfer]\nlease = "3s"')
        killed, stopped, heir = [await stage.start("backfill") for _ in range(3)]
        await stage.until_served(COUNT // 4)
        killed.kill()
        stopped.send_signal(signal.SIGSTOP)
        assert (await ended(heir)).code == 0
        before = await everything(stage)
        stopped.send_signal(signal.SIGCONT)
        answer = await ended(stopped)
        assert answer.code in {0, 1}, answer.stderr
        assert await everything(stage) == before
        assert len(await consult(stage)) == COUNT
        assert not leftovers(stage)
        assert await stage.media_requests() <= COUNT + 2 * CONCURRENCY, "only what was in flight is fetched again"
        await killed.wait()


async def everything(stage: Stage) -> tuple[str, dict[str, tuple[int, int, int]]]:
    """The catalog's rows, and which file lies under each key, written when."""
    files = (path for path in stage.storage.rglob("*") if path.is_file() and ".archiver" not in path.parts)
    found = {str(path): path.stat() for path in files}
    rows = (await stage.run("ls", "--json", "--all")).stdout
    return rows, {path: (one.st_ino, one.st_mtime_ns, one.st_size) for path, one in found.items()}


@dataclass
class WatchedCatalog(FakeCatalog):
    """``calls`` are what workers asked for; while rows are ``locked`` by somebody they are due and cannot be had."""

    calls: list[str] = field(default_factory=list)
    is_locked: bool = False

    def __post_init__(self) -> None:
        super().__init__(RunningClock())

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Claim, as SKIP LOCKED does."""
        self.calls.append("claim")
        return [] if self.is_locked else await super().claim(request)

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        """Renew."""
        self.calls.append("renew")
        return await super().renew(leases, lease)


async def test_locked_rows_are_no_reason_to_rush(tmp_path: Path) -> None:
    """R4, R5: rows that a stopped process keeps locked are looked at now and then, and taken when they are free."""
    catalog = WatchedCatalog(is_locked=True)
    bench = Bench(tmp_path, catalog=catalog)
    bench.offer("r1")
    async with bench.start():
        await bench.record("r1")
        running = asyncio.create_task(bench.workers().run(await bench.request()))
        await asyncio.wait([running], timeout=0.3)
        assert 1 <= len(catalog.calls) <= 10
        catalog.is_locked = False
        await running
        assert await bench.states() == {State.VERIFIED: 1}


async def test_own_leases_are_renewed_before_more_is_claimed(tmp_path: Path) -> None:
    """R5: after an outage a process does not take over from itself what it still works on."""
    catalog = WatchedCatalog()
    bench = Bench(tmp_path, catalog=catalog, lease=30 * MS)
    async with bench.start():
        await bench.record("r1")
        claim, workers = await bench.claim(), bench.workers()
        workers._running[claim.lease] = asyncio.create_task(asyncio.sleep(0))
        bench.catalog.clock.advance(timedelta(hours=1))
        catalog.calls.clear()
        assert not await workers._claim(await bench.request())
        assert catalog.calls == ["renew", "claim"]


async def held_after(folder: Path, count: int) -> int:
    """How much the pipeline remembers after so many recordings failed."""
    bench = Bench(folder)
    names = [f"r{number}" for number in range(count)]
    bench.offer(*names)
    async with bench.start():
        await bench.record(*names)
        bench.provider.fail("open_media", *[Unreachable("reset")] * count * bench.policy.max_attempts)
        workers = bench.workers()
        await workers.run(await bench.request())
        assert await bench.states() == {State.PENDING: count}
        return held(workers) + held(bench.registrar) + held(bench.tally)


def held(thing: object) -> int:
    """How many members the containers of a part of the pipeline have, those of its own parts included."""
    if isinstance(thing, (list, dict, set, frozenset, tuple)):
        return len(thing)
    if not type(thing).__module__.startswith("archiver.pipeline"):
        return 0
    names = getattr(thing, "__slots__", None) or vars(thing)
    return sum(held(getattr(thing, name)) for name in names)


async def test_failures_do_not_pile_up(tmp_path: Path) -> None:
    """P3: after two hundred failures the pipeline remembers as much as after five."""
    assert await held_after(tmp_path / "few", 5) == await held_after(tmp_path / "many", 200)
