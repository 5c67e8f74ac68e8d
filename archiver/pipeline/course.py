"""Course: how far one round of a walk has come, and when there is no sense in reading on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from archiver.model.listing import Checkpoint, Cursor, Order, Page, Walk
from archiver.pipeline.order import Trace, is_covered
from archiver.ports.catalog import Recorded

STALE_PAGES: Final = 10
"""So many pages in a row without a row that is new to the round mean that the listing goes round in circles. What is
stepped back over for a gap comes again, and so does as much of what was read before: two pages more for each."""

COVERED_PAGES: Final = 2
"""An incremental walk stops behind so many covered pages in a row. In the order that was proven a single row would do;
this forgives a listing whose rows stand a page out of it."""

ROUNDS: Final = 2

_MOST_PAGES: Final = 200_000
"""Nobody is believed to have more, whatever is claimed: some twenty million rows, more than a day of reading."""


@dataclass(slots=True, kw_only=True)
class Course:
    """One round of a walk.

    ``checkpoint`` is behind the last page; ``saved`` is where the walk would be resumed: behind a doubt it stays.
    ``stops_at`` is the boundary behind which rows that are sorted newest first need not be read, None when all must
    be. ``is_partial`` says that the round did not begin at the first row: the listing's total counts for nothing.
    """

    checkpoint: Checkpoint
    saved: Checkpoint
    trace: Trace
    tolerance: timedelta
    stops_at: datetime | None = None
    is_partial: bool = False
    doubt: str | None = None
    pages: int = 0
    _most_pages: int = 0
    _stale: int = 0
    _covered: int = 0

    @classmethod
    def of(cls, walk: Walk, tolerance: timedelta, boundary: datetime | None) -> Self:
        """The course of a walk that begins, or goes on where it stopped."""
        at = _beginning(walk)
        return cls(
            checkpoint=at,
            saved=at,
            trace=Trace() if at.cursor is None else Trace.parse(at.trace),
            tolerance=tolerance,
            stops_at=boundary if walk.order is Order.NEWEST_FIRST else None,
        )

    def again(self) -> "Course":
        """The next round: the listing is read once more from its beginning."""
        at = Checkpoint(round=self.checkpoint.round + 1)
        return Course(checkpoint=at, saved=at, trace=Trace(), tolerance=self.tolerance, doubt=self.doubt)

    def enter(self, cursor: Cursor | None) -> None:
        """Begin at a cursor in the middle; None: at the first row, as usual."""
        self.checkpoint = self.saved = Checkpoint(cursor=cursor)
        self.is_partial = cursor is not None

    def note(self, doubt: str | None) -> None:
        """Remember why the listing cannot be complete; the first reason counts."""
        self.doubt = self.doubt or doubt

    def step(self, page: Page) -> Checkpoint:
        """Step behind a page; answers the checkpoint to save with it."""
        self.trace = self.trace.follow(page, self.tolerance)
        self.checkpoint = Checkpoint(
            cursor=page.next_cursor,
            round=self.checkpoint.round,
            least_total=least(self.checkpoint.least_total, page.total),
            trace=self.trace.as_text(),
        )
        self.note(page.doubt)
        self.note("a page hit the ceiling behind which the listing hides rows" if page.is_full else None)
        self.saved = self.saved if self.doubt else self.checkpoint
        return self.saved

    def ends_before(self, page: Page, recorded: Recorded) -> bool:
        """Whether to stop behind a page although it names a next one: all that can be new is read, or the listing has
        come to be in doubt."""
        self.pages += 1
        self._most_pages = self._most_pages or most_pages(page)
        if page.has_gap:
            self._stale -= 2
        else:
            self._stale = min(self._stale, 0) if recorded.fresh else self._stale + 1
        is_behind = self.stops_at is not None and is_covered(page, recorded, self.stops_at)
        self._covered = self._covered + 1 if is_behind and self.trace.may_be_newest_first else 0
        if self._covered >= COVERED_PAGES:
            return True
        if self._stale >= STALE_PAGES:
            self.note(f"the listing repeats itself: nothing new on {self._stale} pages in a row")
            return True
        if self.pages >= self._most_pages:
            self.note(endless(self.pages))
            return True
        return False

    def unmet(self, seen: int) -> int | None:
        """The total that the listing claims and has not shown; None when it is met."""
        total = self.checkpoint.least_total
        return total if total is not None and seen < total and not self.is_partial else None


def most_pages(first: Page) -> int:
    """How many pages may be read of a listing that begins like this: one that makes up rows for ever must end as well.

    Pages that overlap, come at other sizes or are stepped back to are fewer than twice as many as the rows need; who
    grows manifold while being read is complete at the next walk.
    """
    if first.total is None:
        return _MOST_PAGES
    rows = len(first.rows) + len(first.malformed)
    return min(_MOST_PAGES, 100 + 4 * first.total // max(1, rows - 1))


def endless(pages: int) -> str:
    """Why a walk stopped after so many pages."""
    return f"the listing does not end: {pages} pages are more than it can have"


def least(*totals: int | None) -> int | None:
    """The smallest total that was claimed, None when none was."""
    return min((total for total in totals if total is not None), default=None)


def _beginning(walk: Walk) -> Checkpoint:
    """Where to read first. An interrupted walk whose checkpoint has no cursor had read a round to its end, or came to
    doubt its first page: the next round begins, since to the round that was read every row would look repeated."""
    if walk.is_resumed and walk.checkpoint.cursor is None:
        return Checkpoint(round=walk.checkpoint.round + 1)
    return walk.checkpoint
