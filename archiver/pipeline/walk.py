"""Walk: listing → catalog. A page's rows and its checkpoint go in together; a walk is complete only on proof.

A walk is believed when its last page names no next one and it has seen as many distinct rows as the listing claimed.
Is the claim not met, the listing is read a second time; rows that were deleted meanwhile are not missed, because the
smallest claim of a round counts. A listing that repeats itself, breaks its form, or still claims more than it shows
ends the walk as incomplete, with the reason; whatever it did show is recorded all the same. From a page that cannot
be believed on, the checkpoint stays where it is: a walk that is interrupted behind it comes back to that page.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from archiver.model.account import Account
from archiver.model.errors import CatalogError, LeaseLost, ListingError, Transient, WindowTooLarge
from archiver.model.listing import (
    RESUME_WITHIN,
    Checkpoint,
    Cursor,
    Listing,
    Page,
    Walk,
    WalkKind,
    WalkReport,
    Window,
)
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.tally import Reached, Tally
from archiver.pipeline.windows import Position, Trail, beginnings, halves, plan
from archiver.ports.catalog import Intake, PageIntake, Recorded, WalkRequest
from archiver.ports.provider import Provider, WindowRule

log = structlog.get_logger()

STALE_PAGES: Final = 10
"""So many pages in a row without a row that is new to the round mean that the listing goes round in circles. Stepping
back after deletions re-reads a few pages; it never needs this many."""

ROUNDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Walks the listings of one account. ``on_page`` is called after each page that brought something new."""

    account: Account
    provider: Provider
    intake: Intake
    policy: RetryPolicy
    tally: Tally
    lease: timedelta
    on_page: Callable[[], None]

    async def walk(self, listing: Listing, window: Window) -> WalkReport:
        """Read a listing from end to end, or go on where an interrupted walk stopped.

        Cancelling gives the walk back to be resumed. Raises: what made it stop when it says nothing about the listing
        itself (``Denied``, ``Transient``, …); the walk is recorded as incomplete then, with the error as the reason.
        """
        reached = self.tally.reached[listing.name] = Reached()
        kind = WalkKind.FULL if window.is_open else WalkKind.BOUNDED
        request = WalkRequest(
            account=self.account.name,
            listing=listing,
            kind=kind,
            window=window.since_at_least(self.account.since),
            lease=self.lease,
            resume_within=RESUME_WITHIN,
        )
        walk = await self.policy.outlast(self.intake.begin_walk, request)
        try:
            async with self._held(walk):
                rule = self.provider.capabilities.windows
                doubt = await (self._read_windows(walk, rule, reached) if rule else self._read(walk, reached))
        except asyncio.CancelledError:
            with suppress(CatalogError):  # the lease runs out by itself; whoever cancels does not wait for a catalog
                await asyncio.shield(self.intake.release_walk(walk.id))
            raise
        except CatalogError:
            raise
        except (ListingError, LeaseLost) as error:
            self.tally.note(error)
            doubt = str(error)
        except Exception as error:
            await self._end(walk, str(error) or type(error).__name__)
            raise
        finally:
            reached.is_over = True
        return await self._end(walk, doubt)

    async def _read(self, walk: Walk, reached: Reached) -> str | None:
        """Read pages until the listing ends; answers what makes it incomplete, None when nothing does."""
        checkpoint = saved = _beginning(walk)
        doubt, stale = None, 0
        while True:
            page = await self.policy.persist(self.provider.list_page, walk.listing, walk.window, checkpoint.cursor)
            checkpoint = _behind(checkpoint, page)
            doubt = doubt or _doubt_of(page)
            saved = saved if doubt else checkpoint
            recorded = await self._record(walk, page, saved)
            reached.seen, reached.total = recorded.seen, page.total
            stale = 0 if recorded.fresh else stale + 1
            if page.next_cursor is not None:
                if stale >= STALE_PAGES:
                    return doubt or f"the listing repeats itself: nothing new on {stale} pages in a row"
            elif checkpoint.least_total is None or recorded.seen >= checkpoint.least_total:
                if doubt is None and (page.total or 0) > recorded.seen:
                    await self._catch_up(walk, saved, reached)
                return doubt
            elif checkpoint.round >= ROUNDS:
                return doubt or f"the listing claims {checkpoint.least_total} recordings and shows {recorded.seen}"
            else:
                checkpoint = saved = Checkpoint(round=checkpoint.round + 1)
                stale = 0

    async def _read_windows(self, walk: Walk, rule: WindowRule, reached: Reached) -> str | None:
        """Read window after window; answers what makes the listing incomplete, None when nothing does."""
        windows, kept = plan(walk.window, rule, walk.started_at), walk.checkpoint.cursor
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

        Raises: WindowTooLarge when the provider wants a shorter one, or hides rows behind a ceiling.
        """
        cursor, rows, least, earlier = position.cursor, 0, None, set[Cursor]()
        while True:
            page = await self.policy.persist(self.provider.list_page, walk.listing, position.window, cursor)
            cursor, is_loop = page.next_cursor, page.next_cursor in earlier
            trail.note(page.doubt or ("the listing repeats itself: a page names an earlier one" if is_loop else None))
            following = replace(position, cursor=cursor) if cursor else behind
            recorded = await self._record(walk, page, trail.checkpoint(position if page.is_full else following))
            if page.is_full:
                raise WindowTooLarge("a window is full, and the listing hides rows behind it")
            rows += len(page.rows) + len(page.malformed)
            least = _least(least, page.total)
            if cursor is None or is_loop:
                break
            earlier.add(cursor)
        if least is not None and rows < least:
            trail.note(f"a window claims {least} recordings and shows {rows}")
        return recorded.seen

    async def _catch_up(self, walk: Walk, checkpoint: Checkpoint, reached: Reached) -> None:
        """Read once more from the beginning, until the rows that appeared behind the walk's back are found.

        New ones stand on the first page of most listings, late ones anywhere. They don't count against completeness,
        so trouble here is left to the next walk.
        """
        cursor, cursors = None, set[Cursor | None]()
        with suppress(ListingError, Transient):
            while cursor not in cursors:
                cursors.add(cursor)
                page = await self.provider.list_page(walk.listing, walk.window, cursor)
                recorded = await self._record(walk, page, checkpoint)
                reached.seen, cursor = recorded.seen, page.next_cursor
                if cursor is None or recorded.seen >= (page.total or 0):
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

    async def _end(self, walk: Walk, doubt: str | None) -> WalkReport:
        report = await self.policy.outlast(self.intake.end_walk, walk.id, doubt)
        self.tally.walks.append(report)
        log.info(
            "walk_ended",
            account=self.account.name,
            listing=report.listing,
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


def _beginning(walk: Walk) -> Checkpoint:
    """Where to read first. An interrupted walk whose checkpoint has no cursor had read a round to its end, or came to
    doubt its first page: the next round begins, since to the round that was read every row would look repeated."""
    if walk.is_resumed and walk.checkpoint.cursor is None:
        return Checkpoint(round=walk.checkpoint.round + 1)
    return walk.checkpoint


def _doubt_of(page: Page) -> str | None:
    return page.doubt or ("a page hit the ceiling behind which the listing hides rows" if page.is_full else None)


def _behind(checkpoint: Checkpoint, page: Page) -> Checkpoint:
    """The checkpoint behind a page."""
    least_total = _least(checkpoint.least_total, page.total)
    return Checkpoint(cursor=page.next_cursor, round=checkpoint.round, least_total=least_total)


def _least(*totals: int | None) -> int | None:
    """The smallest total that was claimed, None when none was."""
    return min((total for total in totals if total is not None), default=None)
