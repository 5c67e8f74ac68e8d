"""Walks: complete only on proof, bounded whatever the listing does, resumed where they stopped."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, repeat
from typing import Any

import pytest
import stamina

from archiver.model.account import Selection
from archiver.model.errors import CatalogUnavailable, Denied, ListingError, Throttled, Unreachable
from archiver.model.listing import Cursor, Order, Page, WalkId, WalkReport, Window
from archiver.model.recording import State
from archiver.pipeline.course import STALE_PAGES
from archiver.pipeline.tally import Reached
from archiver.ports.catalog import PageIntake, Recorded
from tests.builders import RECORDINGS, STARTED_AT, make_listed, make_malformed
from tests.fakes.catalog import FakeCatalog
from tests.unit.pipeline.bench import MS, Bench, RunningClock, ScriptedProvider, make_account, make_rows

DAY = timedelta(days=1)


def page(*names: str, following: str | None = None, **changes: Any) -> Page:
    """A page of sound rows; ``following`` is the cursor behind it."""
    cursor = None if following is None else Cursor(following)
    return Page(rows=make_rows(*names), next_cursor=cursor, **changes)


def many_pages(length: int, first: int = 0) -> Iterator[Page]:
    """So many pages of one row each, the last one without a next."""
    for number in range(first, length):
        yield page(f"r{number}", following=str(number + 1) if number + 1 < length else None, total=length)


async def walk(bench: Bench, *script: Page | BaseException, window: Window | None = None) -> WalkReport:
    """Walk a listing that answers by this script; a page that was not asked for fails the test."""
    provider = bench.provider = ScriptedProvider(iter(script))
    async with bench.start():
        report = await bench.walker.walk(RECORDINGS, window or Window())
    assert not list(provider.script)
    return report


async def test_a_listing_read_to_its_end_is_complete(bench: Bench) -> None:
    """The last page names no next one and every row that the listing claims was seen: complete (D1)."""
    report = await walk(bench, page("r1", "r2", following="2", total=3), page("r3", total=3))
    assert (report.is_complete, report.doubt, report.pages, report.listed, report.new) == (True, None, 2, 3, 3)
    assert bench.tally.walks == [report]
    assert bench.tally.reached[RECORDINGS.name] == Reached(seen=3, total=3, is_over=True)


async def test_a_listing_that_claims_nothing_ends_on_its_last_page(bench: Bench) -> None:
    """Without a total, a last page without a next is the proof there is."""
    assert (await walk(bench, page("r1", following="2"), page())).is_complete


async def test_a_total_not_met_is_read_again(bench: Bench) -> None:
    """What the first round missed, the second one finds: complete (D1)."""
    report = await walk(bench, page("r1", "r2", total=3), page("r1", "r2", following="2", total=3), page("r3", total=3))
    assert (report.is_complete, report.listed) == (True, 3)


async def test_a_total_never_met_is_incomplete(bench: Bench) -> None:
    """A total above the distinct rows after a second round makes the walk incomplete, with the numbers (D1)."""
    report = await walk(bench, page("r1", total=3), page("r1", total=3))
    assert (report.is_complete, report.doubt) == (False, "the listing claims 3 recordings and shows 1")


async def test_what_was_deleted_meanwhile_is_not_missed(bench: Bench) -> None:
    """The smallest total of a round counts, so rows deleted between pages are not missing (D1)."""
    assert (await walk(bench, page("r1", "r2", following="2", total=4), page("r3", total=3))).is_complete


async def test_what_appeared_meanwhile_does_not_count(bench: Bench) -> None:
    """Rows newer than the walk's start are caught up with at the beginning of the listing (D1, D3)."""
    report = await walk(bench, page("r1", following="1", total=2), page("r2", total=3), page("r3", "r1", total=3))
    assert (report.is_complete, report.listed) == (True, 3)


async def test_what_appeared_late_is_found_anywhere(bench: Bench) -> None:
    """A row that appeared behind the walk with an old start stands in the middle: it is found there (D3)."""
    first, again = page("r1", following="1", total=2), page("r1", following="1", total=3)
    report = await walk(bench, first, page("r2", total=3), again, page("late", "r2", total=3))
    assert (report.is_complete, report.listed) == (True, 3)


@pytest.mark.parametrize("error", [ListingError("what is this?"), Unreachable("reset")])
async def test_what_appeared_meanwhile_is_no_condition(bench: Bench, error: Exception) -> None:
    """They don't count against completeness: trouble while catching up is left to the next walk (D1)."""
    assert (await walk(bench, page("r1", following="1", total=2), page("r2", total=3), error)).is_complete


async def test_a_listing_that_goes_round_in_circles_ends(bench: Bench) -> None:
    """A looping cursor, or an ignored offset, ends after a bounded number of pages, incomplete (D2)."""
    bench.provider = ScriptedProvider(repeat(page("r1", "r2", following="again", total=9)))
    async with bench.start():
        report = await bench.walker.walk(RECORDINGS, Window())
    assert len(bench.provider.cursors) == 1 + STALE_PAGES
    assert (report.listed, report.doubt) == (2, "the listing repeats itself: nothing new on 10 pages in a row")


async def test_a_few_pages_again_are_no_circle(bench: Bench) -> None:
    """Stepping back re-reads pages; the walk goes on (D1)."""
    again = [page("r0", following="1", total=3)] * STALE_PAGES
    report = await walk(bench, *again, page("r1", following="2", total=3), *again[1:], page("r2", total=3))
    assert report.is_complete


@pytest.mark.parametrize(
    ("doubtful", "reason"),
    [
        (page(following="3", doubt="an empty page that names a next one"), "an empty page that names a next one"),
        (page("r2", following="3", is_full=True), "a page hit the ceiling behind which the listing hides rows"),
    ],
)
async def test_a_doubtful_page_makes_the_walk_incomplete(bench: Bench, doubtful: Page, reason: str) -> None:
    """Rows behind a doubtful page are recorded, and the walk is incomplete with the page's reason (D2)."""
    report = await walk(bench, page("r1", following="2"), doubtful, page("r3"))
    assert (report.is_complete, report.doubt) == (False, reason)
    assert await bench.state("r3") is State.PENDING


async def test_no_checkpoint_moves_past_a_doubtful_page(bench: Bench) -> None:
    """A walk that is interrupted behind a doubtful page comes back to it, and is complete once it is sound (D2)."""
    script = [
        page("r1", following="2", total=3),
        page(following="3", doubt="empty", total=3),
        page("r3", following="4"),
    ]
    provider = bench.provider = ScriptedProvider(iter([*script, asyncio.CancelledError()]))
    async with bench.start():
        with pytest.raises(asyncio.CancelledError):
            await bench.walker.walk(RECORDINGS, Window())
        provider.script = iter([page("r2", following="3", total=3), page("r3", total=3)])
        report = await bench.walker.walk(RECORDINGS, Window())
    assert provider.cursors[-2:] == ["2", "3"]
    assert (report.is_complete, report.listed) == (True, 3)


async def test_an_unknown_shape_ends_the_walk(bench: Bench) -> None:
    """A page that cannot be believed ends the walk as incomplete; the rows before it are kept (D2)."""
    report = await walk(bench, page("r1", following="2", total=2), ListingError("what is this?"))
    assert (report.is_complete, report.doubt, report.listed) == (False, "what is this?", 1)
    assert bench.tally.last_error == "what is this?"


async def test_a_passing_fault_is_retried_on_the_spot(bench: Bench) -> None:
    """The page is asked for again, and the walk is complete."""
    faults = [Unreachable("reset"), Throttled("wait", retry_after=MS)]
    report = await walk(bench, page("r1", following="2"), *faults, page("r2"))
    assert (report.is_complete, report.listed) == (True, 2)


async def test_a_lasting_fault_ends_the_walk(bench: Bench) -> None:
    """After ``max_attempts`` the error is raised, and the walk is recorded as incomplete with it."""
    with pytest.raises(ExceptionGroup) as failure:
        await walk(bench, page("r1", following="2"), *[Unreachable("reset")] * bench.policy.max_attempts)
    assert failure.value.subgroup(Unreachable)
    assert [report.doubt for report in bench.tally.walks] == ["reset"]


@pytest.mark.parametrize("error", [Denied("refused"), KeyError("objects")], ids=["denied", "our own mistake"])
async def test_what_no_retry_helps_is_raised_at_once(bench: Bench, error: Exception) -> None:
    """Refused credentials and our own mistakes are not retried; the walk is recorded as incomplete with them."""
    with pytest.raises(ExceptionGroup) as failure:
        await walk(bench, error)
    assert failure.value.subgroup(type(error))
    assert [report.doubt for report in bench.tally.walks] == [str(error)]


async def test_a_cancelled_walk_is_resumed(bench: Bench) -> None:
    """Cancelling gives the walk back; the next one goes on at the checkpoint and is complete (D4)."""
    provider = bench.provider = ScriptedProvider(iter([page("r1", following="2", total=2), asyncio.CancelledError()]))
    async with bench.start():
        with pytest.raises(asyncio.CancelledError):
            await bench.walker.walk(RECORDINGS, Window())
        provider.script = iter([page("r2", total=2)])
        report = await bench.walker.walk(RECORDINGS, Window())
    assert provider.cursors == [None, "2", "2"]
    assert (report.is_complete, report.listed, len(bench.tally.walks)) == (True, 2, 1)


async def test_a_walk_that_died_before_its_end_was_recorded_is_resumed(bench: Bench) -> None:
    """Killed between its last page and its end, a walk of many pages is read again and complete (D4)."""
    length = 2 * STALE_PAGES
    provider = bench.provider = ScriptedProvider(many_pages(length))
    bench.catalog = DyingCatalog()
    async with bench.start():
        with pytest.raises(asyncio.CancelledError):
            await bench.walker.walk(RECORDINGS, Window())
        provider.script = many_pages(length)
        report = await bench.walker.walk(RECORDINGS, Window())
    assert (report.doubt, report.listed) == (None, length)


class DyingCatalog(FakeCatalog):
    """The first end of a walk never comes."""

    def __init__(self) -> None:
        super().__init__(RunningClock())
        self.is_dead = False

    async def end_walk(self, walk: WalkId, doubt: str | None, order: Order = Order.NONE) -> WalkReport:
        """Die once; the walk's lease runs out."""
        if not self.is_dead:
            self.is_dead = True
            await self.release_walk(walk)
            raise asyncio.CancelledError
        return await super().end_walk(walk, doubt, order)


async def test_malformed_rows_count_towards_the_total(bench: Bench) -> None:
    """Malformed rows are quarantined and counted; the good ones are recorded, and the walk is complete (D6)."""
    report = await walk(bench, page("r1", malformed=(make_malformed("1"), make_malformed("2")), total=3))
    assert (report.is_complete, report.listed, report.malformed) == (True, 1, 2)
    assert (await bench.catalog.status())[0].quarantined == 2


async def test_a_bounded_walk_passes_over_what_lies_outside(bench: Bench) -> None:
    """Rows outside the window count towards the total; they are neither recorded nor listed."""
    outside = make_listed("old", started_at=STARTED_AT - DAY)
    inside = Page(rows=(make_listed("new"), outside), total=2)
    report = await walk(bench, inside, window=Window(since=STARTED_AT))
    assert (report.is_complete, report.listed) == (True, 1)
    assert not await bench.catalog.lookup("old", None)


async def test_what_the_filter_leaves_out_is_excluded(bench: Bench) -> None:
    """Recordings that the operator does not want are recorded as excluded."""
    bench.account = make_account(exclude=Selection(direction=frozenset({"outbound"})))
    await walk(bench, Page(rows=(make_listed("in"), make_listed("out", direction="outbound"))))
    assert (await bench.state("in"), await bench.state("out")) == (State.PENDING, State.EXCLUDED)


async def test_a_slow_page_does_not_cost_the_lease(bench: Bench) -> None:
    """While a page takes long the walk stays held: nobody else resumes it (R5)."""
    provider = bench.provider = SlowProvider(iter([page("r1", following="2"), page("r2")]))
    bench.lease = 30 * MS
    async with bench.start():
        walking = asyncio.create_task(bench.walker.walk(RECORDINGS, Window()))
        await provider.asked_again.wait()
        clock = bench.catalog.clock.now()
        while bench.catalog.clock.now() - clock < 3 * bench.lease:
            await asyncio.sleep(0.005)
            assert all(it.ended_at or it.held_until > bench.catalog.clock.now() for it in bench.catalog._walks.values())
        provider.gate.set()
        assert (await walking).is_complete


class SlowProvider(ScriptedProvider):
    """The second page waits for ``gate``."""

    def __init__(self, script: Iterator[Page | BaseException]) -> None:
        super().__init__(script)
        self.gate, self.asked_again, self._calls = asyncio.Event(), asyncio.Event(), count()

    async def list_page(self, *asked: Any) -> Page:
        """Wait, from the second page on."""
        if next(self._calls):
            self.asked_again.set()
            await self.gate.wait()
        return await super().list_page(*asked)


async def test_a_repeated_intake_changes_nothing(bench: Bench) -> None:
    """A page whose commit was not acknowledged is recorded again; the walk is complete, nothing is doubled (R4)."""
    bench.catalog = ForgetfulCatalog()
    with stamina.set_testing(True, attempts=2):
        report = await walk(bench, page("r1", "r2", total=2))
    assert (report.is_complete, report.listed, report.new, report.pages) == (True, 2, 2, 1)


class ForgetfulCatalog(FakeCatalog):
    """The answer to the first page is lost, after it was recorded."""

    def __init__(self) -> None:
        super().__init__(RunningClock())
        self.calls = count()

    async def record(self, walk: WalkId, page: PageIntake) -> Recorded:
        """Record; lose the first answer."""
        recorded = await super().record(walk, page)
        if next(self.calls) == 0:
            raise CatalogUnavailable("cut")
        return recorded
