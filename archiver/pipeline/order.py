"""Order: what a full walk proves of how its listing is sorted, and what an incremental walk may leave out for it.

A listing shows when a recording was started, and may be sorted by another time: when it was filed, say. That is later,
by the account's ``overlap`` at most; and what is filed shows up in the listing within its ``lag``. So full walks take a
listing for sorted when no row is further out of place than an overlap.

Whatever was not listed yet when the last complete walk began was filed after its watermark, which is its beginning less
the lag. In a listing that has the newest first, all that stands before such a row was filed later still, so it started
after the watermark less an overlap: the *boundary*. Hence nothing new stands behind a row that started before it; with
the oldest first, nothing new stands before one. That a recording is known proves nothing: a walk that was interrupted
may have recorded it. What comes later or further out of place than that is left to the next full walk.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from archiver.model.listing import Order, Page
from archiver.model.recording import Listed
from archiver.ports.catalog import Recorded

_JOINTS: Final = 5
"""So many of a page's last rows are looked for in the next one: pages may overlap, and rows vanish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a walk has seen of its listing's order. ``joints`` are the ids of the rows seen last."""

    newest: datetime | None = None
    oldest: datetime | None = None
    may_be_newest_first: bool = True
    may_be_oldest_first: bool = True
    joints: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """The trace that ``as_text`` wrote. Without a text nobody knows what came before: it will prove nothing."""
        if text is None:
            return cls(may_be_newest_first=False, may_be_oldest_first=False)
        kept = json.loads(text)
        newest, oldest = (moment and datetime.fromisoformat(moment) for moment in (kept["newest"], kept["oldest"]))
        return cls(**kept | {"newest": newest, "oldest": oldest, "joints": tuple(kept["joints"])})

    def as_text(self) -> str:
        """The trace as a text that can be kept."""
        return json.dumps(asdict(self), default=datetime.isoformat)

    @property
    def order(self) -> Order:
        """What is proven: one order is contradicted, and the other one is not."""
        if self.may_be_newest_first == self.may_be_oldest_first:
            return Order.NONE
        return Order.NEWEST_FIRST if self.may_be_newest_first else Order.OLDEST_FIRST

    def follow(self, page: Page, tolerance: timedelta) -> "Trace":
        """The trace behind a page. Rows that it shows again, and pages that don't join the one before, say nothing."""
        if page.has_gap or not page.rows:
            return self
        newest, oldest = self.newest, self.oldest
        may_be_newest_first, may_be_oldest_first = self.may_be_newest_first, self.may_be_oldest_first
        for row in page.rows[_first_new(page.rows, self.joints) :]:
            if (moment := row.started_at) is None:
                continue
            newest, oldest = max(newest or moment, moment), min(oldest or moment, moment)
            may_be_newest_first = may_be_newest_first and moment - oldest <= tolerance
            may_be_oldest_first = may_be_oldest_first and newest - moment <= tolerance
        return Trace(
            newest=newest,
            oldest=oldest,
            may_be_newest_first=may_be_newest_first,
            may_be_oldest_first=may_be_oldest_first,
            joints=tuple(row.recording_id for row in page.rows[-_JOINTS:]),
        )


def _first_new(rows: Sequence[Listed], joints: Sequence[str]) -> int:
    """The place behind the last row that the page before showed too."""
    return max((place for place, row in enumerate(rows, 1) if row.recording_id in joints), default=0)


def is_covered(page: Page, recorded: Recorded, boundary: datetime) -> bool:
    """Whether a page lies wholly beyond the boundary, brings nothing new, and is no repetition."""
    moments = [row.started_at for row in page.rows if row.started_at is not None]
    is_old = bool(moments) and max(moments) < boundary
    return is_old and not page.has_gap and recorded.new == 0 and recorded.fresh > 0
