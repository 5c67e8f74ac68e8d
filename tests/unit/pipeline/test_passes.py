"""A pass: walk and carry side by side, each account for itself, bounded whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import stamina
from structlog.testing import capture_logs

from archiver.model.errors import CatalogUnavailable, Denied, Gone, Unreachable
from archiver.model.listing import Cursor, Listing, Page, Walk, Window
from archiver.model.objects import Key
from archiver.model.outcome import Outcome
from archiver.model.recording import Claim, LeaseId, ListingName, Reason, State
from archiver.pipeline.registrar import Registrar
from archiver.ports.catalog import ClaimRequest, PageIntake, Recorded, WalkRequest
from archiver.ports.provider import Media, MediaRequest
from tests.builders import ACCOUNT, RECORDINGS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.provider import FakeProvider
from tests.unit.pipeline.bench import MS, Bench, GatedProvider, RunningClock, ScriptedProvider, make_account, make_rows
from tests.unit.pipeline.sounds import wav

NAMES = [f"r{number}" for number in range(10)]


async def test_a_pass_archives_everything_once(bench: Bench) -> None:
    """One pass makes storage equal to the provider; another asks for no media and writes nothing (O5, O6)."""
    bench.offer(*NAMES)
    async with bench.start():
        await bench.one_pass().run()
        assert await bench.states() == {State.VERIFIED: 10}
        assert (bench.tally.new, bench.tally.stored, bench.tally.verified, bench.tally.in_flight) == (10, 10, 10, 0)
        await bench.one_pass().run()
    assert len(bench.provider.media_requests) == bench.storage.published == 10
    assert [walk.is_complete for walk in bench.tally.walks] == [True, True]


async def test_without_fetching_it_only_walks(bench: Bench) -> None:
    """``fetches`` False records and asks for no media."""
    bench.offer(*NAMES)
    async with bench.start():
        await bench.one_pass(fetches=False).run()
    assert (await bench.states(), bench.provider.media_requests) == ({State.PENDING: 10}, [])


async def test_an_empty_account_is_done(bench: Bench) -> None:
    """A listing without recordings ends the pass."""
    async with bench.start():
        await bench.one_pass().run()
    assert (bench.tally.trouble, bench.tally.walks[0].is_complete) == (None, True)


async def test_downloads_begin_before_the_walk_ends(bench: Bench) -> None:
    """The second page comes only after the first recording was asked for."""
    bench.provider = WaitingLister()
    bench.offer(*NAMES)
    async with bench.start():
        await bench.one_pass().run()
    assert await bench.states() == {State.VERIFIED: 10}


class WaitingLister(GatedProvider):
    """The pages after the first one wait for a media request."""

    async def list_page(self, *asked: Any) -> Page:
        """List, once a recording was asked for."""
        self.gate.set()
        if asked[-1] is not None:
            await self.opened.wait()
        return await super().list_page(*asked)


@pytest.mark.parametrize("error", [Denied("401"), Unreachable("refused"), KeyError("objects")])
@pytest.mark.parametrize("method", ["listings", "list_page"])
async def test_an_account_out_of_reach_is_left_alone(bench: Bench, method: str, error: Exception) -> None:
    """Refused, unreachable or broken by our own mistake: no media request, no attempt used, others untouched (D7)."""
    bench.offer("r1")
    bench.provider.fail(method, *[error] * bench.policy.max_attempts)  # type: ignore[arg-type]  # one is no error of ours
    with capture_logs() as logs:
        async with bench.start():
            await bench.record("r1")
            await bench.one_pass().run()
            assert (await bench.claim()).attempts == 0
    assert logs[-1]["account"] == "acme"
    assert bench.provider.media_requests == []
    assert bench.tally.trouble is not None
    assert str(error) in str(bench.tally.trouble)


async def test_a_hanging_account_costs_the_others_nothing(tmp_path: Path) -> None:
    """One account hangs in every download; the other one is archived meanwhile (D7, P4)."""
    slots, catalog = asyncio.Semaphore(8), FakeCatalog(RunningClock())
    hanging = Bench(tmp_path, GatedProvider(), catalog=catalog, process_slots=slots)
    sound = Bench(tmp_path, account=make_account("other"), catalog=catalog, process_slots=slots)
    for bench in (hanging, sound):
        bench.offer(*NAMES)
    async with hanging.start(), sound.start():
        stuck = asyncio.create_task(hanging.one_pass().run())
        await sound.one_pass().run()
        stuck.cancel()
        await asyncio.wait([stuck])
        assert await sound.states() == {State.VERIFIED: 10}
        assert await hanging.states() == {State.PENDING: 10}


@pytest.mark.parametrize("turns", [*range(10), 15, 20, 30])
async def test_drain_ends_at_any_moment(bench: Bench, turns: int) -> None:
    """Whenever the signal comes, the pass ends, nothing stays leased, and the walk can be resumed (T2, D4)."""
    provider = bench.provider = GatedProvider()
    bench.offer(*NAMES)
    async with bench.start():
        one = bench.one_pass()
        running = asyncio.create_task(one.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        one.drain()
        provider.gate.set()
        await running
        outlook = await bench.catalog.outlook(await bench.request())
        assert (outlook.leased, bench.free_slots()) == (0, (4, 32))
        await bench.one_pass().run()
    assert await bench.states() == {State.VERIFIED: 10}


async def test_waiting_takes_up_what_falls_due(bench: Bench) -> None:
    """What used up its attempts is tried again when it falls due within ``wait``."""
    bench.offer("r1")
    bench.provider.fail("open_media", *[Unreachable("reset")] * 4)
    async with bench.start():
        await bench.one_pass(wait=timedelta(seconds=1)).run()
    assert await bench.states() == {State.VERIFIED: 1}
    assert len(bench.provider.media_requests) == 5


async def test_waiting_ends(bench: Bench) -> None:
    """What fails for ever, and is always due again soon, does not hold the pass for longer than ``wait``."""
    bench.offer("r1")
    bench.provider.fail("open_media", *[Unreachable("reset")] * 100_000)
    async with bench.start(), asyncio.timeout(1):
        await bench.one_pass(wait=60 * MS).run()
    assert await bench.states() == {State.PENDING: 1}
    assert len(bench.provider.media_requests) > bench.policy.max_attempts


async def test_what_falls_due_later_is_left(bench: Bench) -> None:
    """Without ``wait`` a recording that used up its attempts is left to the next pass."""
    bench.offer("r1")
    bench.provider.fail("open_media", *[Unreachable("reset")] * 4)
    async with bench.start():
        await bench.one_pass().run()
    assert len(bench.provider.media_requests) == bench.policy.max_attempts


class AbsentCatalog(FakeCatalog):
    """A catalog that is away: each of its methods fails so many times in a row."""

    def __init__(self, times: int) -> None:
        super().__init__(RunningClock())
        self._times = times
        self._failed: dict[str, int] = {}

    def _maybe_fail(self, method: str) -> None:
        if self._failed.setdefault(method, 0) < self._times:
            self._failed[method] += 1
            raise CatalogUnavailable("the server closed the connection")

    async def begin_walk(self, request: WalkRequest) -> Walk:
        """Begin, at last."""
        self._maybe_fail("begin_walk")
        return await super().begin_walk(request)

    async def record(self, walk: Any, page: PageIntake) -> Recorded:
        """Record, at last."""
        self._maybe_fail("record")
        return await super().record(walk, page)

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Claim, at last."""
        self._maybe_fail("claim")
        return await super().claim(request)

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Settle, at last."""
        self._maybe_fail("settle")
        return await super().settle(outcomes)


async def test_a_catalog_that_comes_back_is_outlasted(bench: Bench) -> None:
    """An outage within our patience costs nothing: everything is archived, nothing fetched twice (R4)."""
    bench.catalog = AbsentCatalog(times=3)
    bench.registrar = Registrar(bench.catalog, bench.policy)
    bench.offer(*NAMES)
    with stamina.set_testing(True, attempts=4):
        async with bench.start():
            await bench.one_pass().run()
    assert await bench.states() == {State.VERIFIED: 10}
    assert len(bench.provider.media_requests) == 10


@pytest.mark.parametrize("method", ["begin_walk", "record", "claim", "settle"])
async def test_a_catalog_that_stays_away_ends_the_pass(bench: Bench, method: str) -> None:
    """An outage beyond our patience raises CatalogUnavailable, and nothing hangs (R4)."""
    catalog = bench.catalog = AbsentCatalog(times=1000)
    catalog._failed = {name: 1000 for name in ("begin_walk", "record", "claim", "settle") if name != method}
    bench.registrar = Registrar(catalog, bench.policy)
    bench.offer(*NAMES)
    with stamina.set_testing(True, attempts=3), pytest.raises(ExceptionGroup) as failure:
        async with bench.start():
            await bench.one_pass().run()
    assert failure.value.subgroup(CatalogUnavailable)
    assert bench.free_slots() == (4, 32)


async def test_a_listing_refused_behind_another_stops_the_downloads(bench: Bench) -> None:
    """One listing of two is refused: what runs is given back, the other listing's rows are recorded."""
    provider = bench.provider = TwoListings()
    bench.offer(*NAMES)
    async with bench.start():
        await bench.one_pass().run()
    assert isinstance(bench.tally.trouble, Denied)
    assert len(provider.media_requests) < 10
    assert [walk.is_complete for walk in bench.tally.walks].count(True) == 1


class TwoListings(FakeProvider):
    """The second listing is refused."""

    async def listings(self) -> Sequence[Listing]:
        """Two."""
        (one,) = await super().listings()
        return (one, Listing(ListingName("other")))

    async def list_page(self, listing: Listing, window: Window, cursor: Any) -> Page:
        """Refuse the second one."""
        if listing.name == "other":
            raise Denied("403", account=ACCOUNT)
        await asyncio.sleep(0)
        return await super().list_page(listing, window, cursor)


async def test_the_attempt_counts_from_zero(bench: Bench) -> None:
    """The first request of a recording is attempt 0, from the beginning."""
    bench.offer("r1")
    async with bench.start():
        await bench.one_pass().run()
    assert bench.provider.media_requests == [MediaRequest(recording=bench.provider.find("r1").listed)]


CUT: Final = wav(b"r1" * 500)[:-100]


class ShrinkingProvider(FakeProvider):
    """Serves each body one byte shorter than the time before."""

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The body, cut once more."""
        recording = self.find(request.recording.recording_id)
        recording.body = (recording.body or b"")[:-1]
        async with super().open_media(request) as media:
            yield media


async def test_a_suspect_is_fetched_once_more_and_rests(bench: Bench) -> None:
    """B3: the same cut body at all attempts is stored as suspect, fetched once by the next pass, and then never."""
    bench.offer("r1", body=CUT)
    requests = []
    async with bench.start():
        for _ in range(4):
            await bench.one_pass().run()
            requests.append(len(bench.provider.media_requests))
        (found,) = await bench.catalog.lookup("r1", bench.account.name)
    assert requests == [3, 4, 4, 4]
    assert (found.state, bench.tally.suspect, bench.tally.stored) == (State.VERIFIED, 1, 1)
    assert found.suspect == "the WAV is cut: 100 bytes of its data chunk are missing"
    assert bench.storage.objects[Key(found.key or "")] == CUT


async def test_sound_bytes_take_a_suspect_s_place(bench: Bench) -> None:
    """B3: sound bytes at the second look replace the suspect, which is put aside, and clear its flag."""
    bench.offer("r1", body=CUT)
    async with bench.start():
        await bench.one_pass().run()
        bench.provider.find("r1").body = sound = wav(b"r1" * 500)
        await bench.one_pass().run()
        (found,) = await bench.catalog.lookup("r1", bench.account.name)
    assert (found.state, found.suspect, found.size_bytes) == (State.VERIFIED, None, len(sound))
    key = Key(found.key or "")
    assert (bench.storage.objects[key], bench.storage.damaged[key]) == (sound, [CUT])


async def test_a_body_that_changes_each_time_stays_pending(bench: Bench) -> None:
    """B3: attempts that disagree keep nothing: the recording stays pending with its reason."""
    bench.provider = ShrinkingProvider()
    bench.offer("r1")
    async with bench.start():
        await bench.one_pass().run()
        (found,) = await bench.catalog.lookup("r1", bench.account.name)
    assert (found.state, found.reason, found.attempts) == (State.PENDING, Reason.RETRY, 3)
    assert not bench.storage.objects


async def test_a_suspect_that_is_gone_rests(bench: Bench) -> None:
    """A suspect that the provider does not have any more is confirmed, with those words."""
    bench.offer("r1", body=CUT)
    async with bench.start():
        await bench.one_pass().run()
        bench.provider.fail("open_media", Gone("no recording r1"))
        for _ in range(2):
            await bench.one_pass().run()
        (found,) = await bench.catalog.lookup("r1", bench.account.name)
    assert "no recording r1" in (found.suspect or "")
    assert len(bench.provider.media_requests) == 4


async def test_a_resumed_walk_leaves_nothing_to_the_next_pass(bench: Bench) -> None:
    """O5: what appeared in the part of a listing that an interrupted run had read is archived by the next run."""
    late, early = make_rows("late"), make_rows("r1")
    first = Page(rows=early, next_cursor=Cursor("2"), total=2)
    provider = bench.provider = ScriptedProvider(iter([first, asyncio.CancelledError()]))
    async with bench.start():
        with pytest.raises(asyncio.CancelledError):
            await bench.walker.walk(RECORDINGS, Window())
        provider.script = iter(
            [
                Page(rows=make_rows("r2"), total=2),
                Page(rows=(*late, *early), next_cursor=Cursor("2"), total=3),
                Page(rows=make_rows("r2"), total=3),
            ]
        )
        bench.offer("late", "r1", "r2")
        await bench.one_pass().run()
    assert await bench.states() == {State.VERIFIED: 3}
