"""Incremental walks: they read what can be new, skip none of it, and a crash turns into no hole."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain, repeat
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import ListingError, Unreachable
from archiver.model.listing import Cursor, Order, Page, WalkKind, WalkReport, Window
from archiver.pipeline.course import STALE_PAGES
from archiver.ports.provider import Capabilities
from tests.builders import RECORDINGS, STARTED_AT, make_listed, make_malformed, make_walk_request
from tests.fakes.clock import Clock
from tests.unit.pipeline.bench import Bench, ScriptedProvider, make_account
from tests.unit.pipeline.shifting import DAY, HOUR, LAG, OVERLAP, World

FULL, INCREMENTAL = WalkKind.FULL, WalkKind.INCREMENTAL


async def make_world(seed: int = 1, *, is_newest_first: bool = True) -> World:
    """Two hundred calls over three weeks, and a full walk over them."""
    world = World(seed, is_newest_first=is_newest_first)
    world.provider.ring(200, 21 * DAY)
    assert (await world.walk(FULL)).is_complete
    return world


@pytest.mark.parametrize("is_newest_first", [True, False])
async def test_only_what_can_be_new_is_read(is_newest_first: bool) -> None:
    """In a proven order, new calls cost the pages since the boundary and a few, not the listing's fifty and more."""
    world = await make_world(is_newest_first=is_newest_first)
    world.clock.advance(HOUR)
    world.provider.ring(5, HOUR)
    assert await world.count_pages(INCREMENTAL) < 20
    assert not await world.unknown()


@pytest.mark.parametrize("is_newest_first", [True, False])
async def test_a_quiet_account_costs_a_few_pages(is_newest_first: bool) -> None:
    """Days without a call: the walk looks where new ones would stand, and is complete."""
    world = await make_world(is_newest_first=is_newest_first)
    world.clock.advance(3 * DAY)
    await world.walk(INCREMENTAL)
    world.clock.advance(3 * DAY)
    assert await world.count_pages(INCREMENTAL) <= 4


@pytest.mark.parametrize("crash_at", range(1, 17))
async def test_a_crash_leaves_no_hole(crash_at: int) -> None:
    """D4: wherever an incremental walk is cut off, the next one finds all that was listed, known by then or not."""
    world = await make_world()
    world.clock.advance(6 * HOUR)
    world.provider.ring(60, 6 * HOUR)
    world.provider.crash_at = crash_at
    with pytest.raises(asyncio.CancelledError):
        await world.walk(INCREMENTAL)
    world.clock.advance(HOUR)
    world.provider.ring(9, HOUR)
    assert (await world.walk(INCREMENTAL)).is_complete
    assert not await world.unknown()


async def test_known_by_id_is_not_covered() -> None:
    """D4: pages whose every row an interrupted walk recorded are read past, since only the boundary in time counts."""
    world = await make_world()
    for hours, crash_at in ((3, 9), (3, 5), (3, 3)):
        world.clock.advance(hours * HOUR)
        world.provider.ring(30, hours * HOUR)
        world.provider.crash_at = crash_at
        with pytest.raises(asyncio.CancelledError):
            await world.walk(INCREMENTAL)
    assert await world.unknown()
    assert (await world.walk(INCREMENTAL)).is_complete
    assert not await world.unknown()


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    is_newest_first=st.booleans(),
    churn=st.sampled_from([0.0, 0.2, 0.6]),
    steps=st.lists(
        st.tuples(
            st.sampled_from([HOUR / 4, 5 * HOUR, 30 * HOUR, 9 * DAY]),
            st.integers(0, 40),
            st.integers(0, 5),
            st.none() | st.integers(1, 15),
        ),
        max_size=6,
    ),
)
async def test_nothing_is_skipped_while_rows_come_and_go(
    seed: int, is_newest_first: bool, churn: float, steps: list[tuple[timedelta, int, int, int | None]]
) -> None:
    """D1, D3, D4: calls come in at the head and late in between, others vanish, walks die: each complete walk leaves
    nothing unknown that was listed when it began, and a last full one nothing at all."""
    world = World(seed, is_newest_first=is_newest_first, churn=churn)
    world.provider.ring(Random(seed).randrange(120), 21 * DAY)
    for pause, calls, deletes, crash_at in steps:
        world.provider.crash_at = crash_at
        try:
            report = await world.walk(INCREMENTAL)
        except asyncio.CancelledError:
            continue
        finally:
            world.provider.crash_at = None
        assert not report.is_complete or not await world.unknown(since=report)
        world.clock.advance(pause)
        world.provider.ring(calls, min(pause, DAY))
        world.provider.vanish(deletes)
    world.provider.churn = 0.0
    await world.walk(INCREMENTAL)  # may go on with what was cut off, and cover no more than had been listed by then
    for kind in (INCREMENTAL, FULL):
        assert (await world.walk(kind)).is_complete
        assert not await world.unknown()


async def test_a_full_walk_heals() -> None:
    """D3: what was filed further back than an overlap is left to the full walk, which finds it."""
    world = await make_world()
    late = replace(
        world.provider.calls[0], began_at=world.clock.now() - 15 * DAY, filed_at=world.clock.now() - 15 * DAY
    )
    world.provider.calls.append(replace(late, name="late"))  # type: ignore[arg-type]
    assert (await world.walk(INCREMENTAL)).is_complete
    assert await world.unknown() == {"late"}
    assert (await world.walk(FULL)).is_complete
    assert not await world.unknown()


async def test_an_order_that_is_not_proven_is_read_to_its_end() -> None:
    """D4: one contradicting row in the last full walk, and incremental walks read everything until the next one."""
    world = await make_world()
    odd = replace(world.provider.calls[0], began_at=world.clock.now() - 15 * DAY, filed_at=world.clock.now())
    world.provider.calls.append(replace(odd, name="odd"))  # type: ignore[arg-type]
    whole = await world.count_pages(FULL)
    assert await world.count_pages(INCREMENTAL) == whole


async def test_an_interrupted_full_walk_proves_the_order_all_the_same() -> None:
    """What a walk saw of the order is kept with its checkpoint, and goes on when it is resumed."""
    world = World()
    world.provider.ring(200, 21 * DAY)
    world.provider.crash_at = 30
    with pytest.raises(asyncio.CancelledError):
        await world.walk(FULL)
    assert (await world.walk(FULL)).is_complete
    walk = await world.catalog.begin_walk(make_walk_request(kind=INCREMENTAL))
    assert walk.order is Order.NEWEST_FIRST


async def test_a_walk_resumed_far_from_where_it_was_is_no_circle() -> None:
    """D1: so much came in at the head meanwhile that the walk steps back over twenty pages and reads them again: it is
    complete all the same."""
    world = World()
    world.provider.ring(200, 21 * DAY)
    world.provider.crash_at = 30
    with pytest.raises(asyncio.CancelledError):
        await world.walk(FULL)
    world.clock.advance(HOUR / 2)
    world.provider.ring(120, HOUR / 2)
    world.clock.advance(HOUR / 4)
    report = await world.walk(FULL)
    assert report.is_complete
    assert not await world.unknown(since=report)


async def test_without_seeking_the_oldest_first_is_read_whole() -> None:
    """A listing that has the oldest first, and cannot be entered near its end, is read from its beginning."""
    world = await make_world(is_newest_first=False)
    world.provider.capabilities = Capabilities()
    assert await world.count_pages(INCREMENTAL) > 50


async def test_an_order_that_was_turned_round_is_noticed() -> None:
    """D4: a first page that is new where the oldest were proven to stand is read on from."""
    world = await make_world(is_newest_first=False)
    world.provider.is_newest_first = True
    world.clock.advance(6 * HOUR)
    world.provider.ring(60, 6 * HOUR)
    world.clock.advance(LAG + OVERLAP)
    assert (await world.walk(INCREMENTAL)).is_complete
    assert not await world.unknown()


def aged(*days: float, following: str | None = None, total: int | None = None, **changes: object) -> Page:
    """A page of calls that began so many days before the catalog's now."""
    rows = tuple(make_listed(f"d{day}", started_at=Clock().now() - day * DAY) for day in days)
    cursor = None if following is None else Cursor(following)
    return replace(Page(rows=rows, next_cursor=cursor, total=total), **changes)  # type: ignore[arg-type]


async def walk(bench: Bench, script: Iterator[Page | BaseException], kind: WalkKind = INCREMENTAL) -> WalkReport:
    """Walk a listing that answers by this script."""
    bench.provider = ScriptedProvider(script)
    async with bench.start():
        return await bench.walker.walk(RECORDINGS, Window(), kind)


@pytest.fixture
async def known(bench: Bench) -> Bench:
    """A bench whose full walk saw thirty days, newest first, on one page."""
    bench.account = make_account(overlap=2 * DAY, lag=HOUR)
    assert (await walk(bench, iter([aged(*range(30), total=30)]), FULL)).is_complete
    return bench


async def watermark_moved(bench: Bench) -> bool:
    """Whether the last walk counts as one to stand on."""
    walks = list(bench.catalog._walks.values())
    stands_on = (await bench.catalog.begin_walk(make_walk_request(kind=INCREMENTAL))).watermark
    return stands_on == walks[-1].started_at - walks[-1].request.lag


async def test_it_stops_behind_two_covered_pages(known: Bench) -> None:
    """The first page is on the boundary, two lie wholly beyond it: no fourth one is asked for, whatever the total."""
    pages = [aged(0, 2, following="2", total=99), aged(3, 4, following="4"), aged(5, 6, following="6")]
    report = await walk(known, iter(pages))
    assert (report.is_complete, report.pages) == (True, 3)
    assert await watermark_moved(known)


@pytest.mark.parametrize(
    "between",
    [
        aged(4.5, following="4"),  # one that nobody knew
        aged(2, following="4"),  # on the boundary
        aged(following="4", malformed=(make_malformed(),)),  # nothing that has a time
        aged(6, 7, following="4", has_gap=True),
        aged(3, 4, following="4"),  # the page before, once more
    ],
    ids=["new", "young", "undated", "gap", "again"],
)
async def test_it_goes_on_behind_a_page_that_is_not_covered(known: Bench, between: Page) -> None:
    """D1, D4: covered pages count only in a row."""
    pages = [aged(0, 1, following="2"), aged(3, 4, following="3"), between]
    report = await walk(known, iter([*pages, aged(8, 9, following="8"), aged(10, 11, following="10")]))
    assert (report.is_complete, report.pages) == (True, 5)


async def test_it_goes_on_where_the_order_is_broken(known: Bench) -> None:
    """D4: a row that contradicts the proven order on the way makes the walk read to the end."""
    pages = [aged(8, 9, following="2"), aged(4, 5, following="4"), aged(10, 11, following="6"), aged(12, 13)]
    report = await walk(known, iter(pages))
    assert (report.is_complete, report.pages) == (True, 4)


DOUBTS: dict[str, Iterable[Page | BaseException]] = {
    "looping": repeat(aged(0, 1, following="1", total=30)),
    "empty with a next": [aged(0, following="1"), aged(following="2", doubt="empty"), *[aged(9, following="3")] * 20],
    "lying total": [aged(0, 1, total=99), aged(0, 1, total=99)],
    "expired cursor": [aged(0, 1, following="1"), ListingError("the cursor is unknown")],
    "ignored offset": repeat(aged(0, 1, 2, following="1", total=30)),
    "unknown envelope": [ListingError("the listing has an unknown shape")],
    "full": [aged(0, 1, following="1"), aged(2, 3, following="2", is_full=True), aged(4, 5, following="3"), aged(6, 7)],
}


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_a_listing_in_doubt_moves_no_watermark(known: Bench, doubt: str) -> None:
    """D2: the walk ends bounded and incomplete with a reason, the watermark stays, and the next walk heals."""
    report = await walk(known, iter(DOUBTS[doubt]))
    assert report.doubt
    assert report.pages <= 2 * STALE_PAGES
    assert not await watermark_moved(known)
    assert (await walk(known, iter([aged(*range(30), total=30)]))).is_complete
    assert await watermark_moved(known)


async def test_a_lasting_fault_moves_no_watermark(known: Bench) -> None:
    """D2: a provider that stays away makes the walk incomplete; its rows are kept, its time is not."""
    with pytest.raises(ExceptionGroup) as failure:
        await walk(known, chain([aged(0, 1, following="1")], repeat(Unreachable("reset"))))
    assert failure.value.subgroup(Unreachable)
    assert not await watermark_moved(known)


async def test_the_first_walk_is_a_full_one(bench: Bench) -> None:
    """Without a complete walk to stand on it reads to the end, and notes what is missing."""
    await bench.catalog.enrol(bench.account.name, "fake", "fake-1")
    await bench.record("gone")
    report = await walk(bench, iter([aged(0, following="1", total=2), aged(30, total=2)]))
    assert (report.is_complete, report.pages) == (True, 2)
    (missing,) = await bench.catalog.lookup("gone", None)
    assert missing.remote_missing_at is not None


async def test_a_window_makes_it_bounded(known: Bench) -> None:
    """A run that the operator narrowed proves nothing, whatever it was asked to be."""
    known.provider = ScriptedProvider(iter([aged(0, total=1)]))
    async with known.start():
        report = await known.walker.walk(RECORDINGS, Window(since=STARTED_AT), INCREMENTAL)
    assert report.is_complete
    assert not await watermark_moved(known)


async def test_a_provider_that_filters_is_asked_for_the_time_since(known: Bench) -> None:
    """Where the provider can be asked by time, only what began since the boundary is asked for, up to now."""

    class Filtering(ScriptedProvider):
        asked: Window | None = None

        async def list_page(self, listing: object, window: Window, cursor: Cursor | None) -> Page:
            self.asked = window
            return aged(0, 1, total=2)

    provider = known.provider = Filtering(iter([]))
    provider.capabilities = Capabilities(filters_by_time=True)
    full = known.catalog._walks[max(known.catalog._walks)].started_at
    async with known.start():
        report = await known.walker.walk(RECORDINGS, Window(), INCREMENTAL)
    assert report.is_complete
    assert provider.asked == Window(since=full - HOUR - 2 * DAY)
