"""Walk: listing → catalog. A page's rows and its checkpoint go in together; a walk is complete only on proof.

A walk is believed when its last page names no next one and it has seen as many distinct rows as the listing claimed.
Is the claim not met, the listing is read a second time; rows that were deleted meanwhile are not missed, because the
smallest claim of a round counts. A listing that repeats itself, breaks its form, or still claims more than it shows
ends the walk as incomplete, with the reason; whatever it did show is recorded all the same. From a page that cannot
be believed on, the checkpoint stays where it is: a walk that is interrupted behind it comes back to that page.

An incremental walk reads what can be new since the last complete one: where the provider can be asked by time, from the
boundary on (see ``order.py``); where a full walk proved that the newest come first, from the head to behind the
boundary; the oldest first, from shortly before it to the end; else everything. It always begins anew, and only its end
moves the watermark: what a crash leaves unread, the next one reads, since its boundary is still the old one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from archiver.model.account import Account
from archiver.model.errors import CatalogError, LeaseLost, ListingError, Transient, WindowTooLarge
from archiver.model.listing import (
    RESUME_WITHIN,
    Checkpoint,
    Cursor,
    Listing,
    Order,
    Page,
    Walk,
    WalkKind,
    WalkReport,
    Window,
)
from archiver.pipeline.course import ROUNDS, Course, endless, least, most_pages
from archiver.pipeline.order import is_covered
from archiver.pipeline.retry import GIVE_BACK_WITHIN, RetryPolicy
from archiver.pipeline.tally import Reached, Tally
from archiver.pipeline.windows import Position, Trail, beginnings, halves, plan
from archiver.ports.catalog import Intake, PageIntake, Recorded, WalkRequest
from archiver.ports.provider import Provider, WindowRule

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Walks the listings of one account. ``on_page`` is called after each page that brought something new.

    An exclusive one leaves a listing alone that somebody else walks right now.
    """

    account: Account
    provider: Provider
    intake: Intake
    policy: RetryPolicy
    tally: Tally
    lease: timedelta
    on_page: Callable[[], None]
    is_exclusive: bool = False

    async def walk(self, listing: Listing, window: Window, kind: WalkKind = WalkKind.FULL) -> WalkReport:
        """Read a listing from end to end, or go on where an interrupted walk stopped; an incremental walk reads what
        can be new. A window that bounds anything makes it a bounded walk, whatever was asked for.

        Cancelling gives the walk back to be resumed. Raises: what made it stop when it says nothing about the listing
        itself (``Denied``, ``Transient``, …); the walk is recorded as incomplete then, with the error as the reason.
        ``Held``, when another exclusive or full walk is under way: nothing was begun.
        """
        reached = self.tally.reached[listing.name] = Reached()
        request = WalkRequest(
            account=self.account.name,
            listing=listing,
            kind=kind if window.is_open else WalkKind.BOUNDED,
            window=window.since_at_least(self.account.since),
            lease=self.lease,
            resume_within=RESUME_WITHIN,
            lag=self.account.lag,
            is_exclusive=self.is_exclusive,
        )
        walk = await self.policy.outlast(self.intake.begin_walk, request)
        reached.is_resumed = walk.is_resumed
        try:
            async with self._held(walk):
                ending = await self._read(walk, reached)
        except asyncio.CancelledError:
            with suppress(CatalogError, TimeoutError):  # the lease runs out by itself
                async with asyncio.timeout(GIVE_BACK_WITHIN.total_seconds()):
                    await asyncio.shield(self.intake.release_walk(walk.id))
            raise
        except CatalogError:
            raise
        except (ListingError, LeaseLost) as error:
            self.tally.note(error)
            ending = _Ending(str(error))
        except Exception as error:
            await self._end(walk, _Ending(str(error) or type(error).__name__))
            raise
        finally:
            reached.is_over = True
        return await self._end(walk, ending)

    async def _read(self, walk: Walk, reached: Reached) -> "_Ending":
        boundary = walk.watermark and walk.watermark - self.account.overlap
        rule = self.provider.capabilities.windows
        if rule is not None:
            return _Ending(await self._read_windows(walk, walk.window.since_at_least(boundary), rule, reached))
        course = Course.of(walk, self.account.overlap, boundary)
        asked = walk.window
        if self.provider.capabilities.filters_by_time:
            asked = walk.window.since_at_least(boundary)
        elif boundary and walk.order is Order.OLDEST_FIRST and self.provider.capabilities.seek:
            course.enter(await self._approach(walk, boundary))
        return await self._read_rounds(walk, asked, course, reached)

    async def _read_rounds(self, walk: Walk, asked: Window, course: Course, reached: Reached) -> "_Ending":
        """Read pages until the listing ends or cannot be believed, once more when its total is not met."""
        while True:
            page = await self.policy.persist(self.provider.list_page, walk.listing, asked, course.checkpoint.cursor)
            recorded = await self._record(walk, page, course.step(page))
            reached.seen, reached.total = recorded.seen, page.total
            unmet = course.unmet(recorded.seen)
            if page.next_cursor is not None:
                if course.ends_before(page, recorded):
                    break
            elif unmet is None:
                if course.doubt is None and not course.is_partial and (page.total or 0) > recorded.seen:
                    await self._catch_up(walk, asked, course.saved, reached)
                break
            elif course.checkpoint.round >= ROUNDS:
                course.note(f"the listing claims {unmet} recordings and shows {recorded.seen}")
                break
            else:
                course = course.again()
        return _Ending(course.doubt, course.trace.order)

    async def _approach(self, walk: Walk, boundary: datetime) -> Cursor | None:
        """Where to begin in a listing that has the oldest first: at a page near its end that is covered.

        None, the first page, when there is none, or when the first page shows that the order is not what it was.
        """

        async def look(cursor: Cursor | None) -> tuple[Page, bool]:
            page = await self.policy.persist(self.provider.list_page, walk.listing, walk.window, cursor)
            return page, is_covered(page, await self._record(walk, page, Checkpoint()), boundary)

        seek = self.provider.capabilities.seek
        first, is_old = await look(None)
        if seek is None or not is_old:
            return None
        rows_back, total = 2 * len(first.rows), first.total or 0
        while rows_back < total:
            cursor = seek(total - rows_back)
            page, is_old = await look(cursor)
            if is_old:
                return page.next_cursor or cursor  # from the former on, rows that vanish meanwhile hide none
            rows_back *= 4
        return None

    async def _read_windows(self, walk: Walk, asked: Window, rule: WindowRule, reached: Reached) -> str | None:
        """Read window after window; answers what makes the listing incomplete, None when nothing does."""
        windows, kept = plan(asked, rule, walk.started_at), walk.checkpoint.cursor
        ahead = deque(Position.parse(kept).rest(windows) if kept else beginnings(windows))
        trail = Trail(kept)
        while ahead:
            position = ahead.popleft()
            try:
                reached.seen = await self._read_window(walk, position, ahead[0] if ahead else position, trail)
            except WindowTooLarge as error:
                parts = halves(position.window) or ()
                ahead.extendleft(Position(step=position.step, window=part) for part in reversed(parts))
                if not parts:
                    trail.note(str(error))
        return trail.doubt

    async def _read_window(self, walk: Walk, position: Position, behind: Position, trail: Trail) -> int:
        """Read one window to its end; answers how many rows the walk has seen by then.

        Raises: WindowTooLarge when the provider wants a shorter one, or hides rows behind a ceiling; ListingError when
        it does not end.
        """
        cursor, rows, total, most, earlier = position.cursor, 0, None, 0, set[Cursor]()
        while True:
            page = await self.policy.persist(self.provider.list_page, walk.listing, position.window, cursor)
            cursor, is_loop = page.next_cursor, page.next_cursor in earlier
            trail.note(page.doubt or ("the listing repeats itself: a page names an earlier one" if is_loop else None))
            following = replace(position, cursor=cursor) if cursor else behind
            recorded = await self._record(walk, page, trail.checkpoint(position if page.is_full else following))
            if page.is_full:
                raise WindowTooLarge("a window is full, and the listing hides rows behind it")
            rows += len(page.rows) + len(page.malformed)
            total, most = least(total, page.total), most or most_pages(page)
            if cursor is None or is_loop:
                break
            earlier.add(cursor)
            if len(earlier) >= most:
                raise ListingError(endless(len(earlier)))
        if total is not None and rows < total:
            trail.note(f"a window claims {total} recordings and shows {rows}")
        return recorded.seen

    async def _catch_up(self, walk: Walk, asked: Window, checkpoint: Checkpoint, reached: Reached) -> None:
        """Read once more from the beginning, until the rows that appeared behind the walk's back are found.

        New ones stand on the first page of most listings, late ones anywhere. They don't count against completeness,
        so trouble here is left to the next walk.
        """
        cursor, cursors, most = None, set[Cursor | None](), 0
        with suppress(ListingError, Transient):
            while cursor not in cursors:
                cursors.add(cursor)
                page = await self.provider.list_page(walk.listing, asked, cursor)
                recorded = await self._record(walk, page, checkpoint)
                reached.seen, cursor, most = recorded.seen, page.next_cursor, most or most_pages(page)
                if cursor is None or recorded.seen >= (page.total or 0) or len(cursors) >= most:
                    return

    async def _record(self, walk: Walk, page: Page, checkpoint: Checkpoint) -> Recorded:
        inside = [row for row in page.rows if walk.window.covers(row.started_at)]
        intake = PageIntake(
            rows=inside,
            malformed=page.malformed,
            checkpoint=checkpoint,
            excluded=frozenset(row.recording_id for row in inside if not self.account.selects(row)),
            passed=frozenset(row.recording_id for row in page.rows if not walk.window.covers(row.started_at)),
        )
        recorded = await self.policy.outlast(self.intake.record, walk.id, intake)
        self.tally.new += recorded.new
        if recorded.new or recorded.fresh:
            self.on_page()
        return recorded

    async def _end(self, walk: Walk, ending: "_Ending") -> WalkReport:
        report = await self.policy.outlast(self.intake.end_walk, walk.id, ending.doubt, ending.order)
        self.tally.count_walk(report)
        log.info(
            "walk_ended",
            account=self.account.name,
            listing=report.listing,
            kind=walk.kind,
            complete=report.is_complete,
            reason=report.doubt,
            pages=report.pages,
            listed=report.listed,
            new=report.new,
            malformed=report.malformed,
        )
        return report

    @asynccontextmanager
    async def _held(self, walk: Walk) -> AsyncIterator[None]:
        """Keep the walk's lease alive while a page takes long: a quota may let one through every few seconds only."""

        async def hold() -> None:
            while True:
                await asyncio.sleep(self.lease.total_seconds() / 3)
                await self.policy.outlast(self.intake.renew_walk, walk.id, self.lease)

        keeper = asyncio.create_task(hold())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What reading came to: why the listing is not complete, and the order that it was seen in."""

    doubt: str | None
    order: Order = Order.NONE
