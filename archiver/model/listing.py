"""A listing, its pages, and where a walk over it stands."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from archiver.model.recording import Listed, ListingName, Malformed

Cursor = NewType("Cursor", str)
"""The adapter's own text for a position in a listing; nobody else reads it."""

WalkId = NewType("WalkId", int)


class WalkKind(StrEnum):
    """``full`` reads a listing to its end, ``incremental`` what can be new since the last complete walk; ``bounded``
    reads a part of the time only, and proves nothing more."""

    FULL = "full"
    INCREMENTAL = "incremental"
    BOUNDED = "bounded"


class Order(StrEnum):
    """How a listing sorts its recordings by time, as a full walk saw it from end to end; ``none`` where it does not, or
    where too little was listed to tell."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, both ends included; None is open."""

    since: datetime | None = None
    until: datetime | None = None

    def covers(self, moment: datetime | None) -> bool:
        """Whether a moment lies in the window. An unknown moment lies in every window: better twice than never."""
        if moment is None:
            return True
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)

    def since_at_least(self, moment: datetime | None) -> "Window":
        """The part of the window that begins at ``moment`` or later; all of it for None."""
        starts = [start for start in (self.since, moment) if start is not None]
        return Window(max(starts, default=None), self.until)

    @property
    def is_open(self) -> bool:
        """Whether it bounds nothing."""
        return self.since is None and self.until is None


@dataclass(frozen=True, slots=True)
class Listing:
    """One paginated enumeration of an account, by the name that the contract gives it.

    ``resource`` is what the adapter needs to address it (a user's id, say).
    """

    name: ListingName
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a listing.

    ``next_cursor`` is None at the end. ``total`` is what the listing claims to hold, malformed rows included.
    ``is_full`` says that the page hit a ceiling behind which rows are hidden; ``has_gap`` that rows may stand between
    it and the page before, for which the next cursor steps back. ``doubt`` names what makes the listing incomplete
    although it can be read on: an empty page with a next, say.
    """

    rows: tuple[Listed, ...]
    malformed: tuple[Malformed, ...] = ()
    next_cursor: Cursor | None = None
    total: int | None = None
    is_full: bool = False
    has_gap: bool = False
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a walk resumes, saved with the rows it covers.

    ``round`` is 1, or 2 when the listing is read a second time because its total was not met. ``least_total`` is the
    smallest total that this round's pages claimed: what was deleted meanwhile is not missing. ``trace`` is what the
    round has seen of the listing's order so far, in the walk's own words.
    """

    cursor: Cursor | None = None
    round: int = 1
    least_total: int | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One pass over a listing, as the catalog began or resumed it.

    ``window`` bounds the recordings it may record; ``started_at`` is when it began, by the catalog's clock. An
    incremental walk stands on complete ones: ``watermark`` is the newest time that they cover, ``order`` what the last
    full one of them proved. To other walks neither says anything.
    """

    id: WalkId
    listing: Listing
    kind: WalkKind
    window: Window
    checkpoint: Checkpoint
    started_at: datetime
    is_resumed: bool
    watermark: datetime | None = None
    order: Order = Order.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkReport:
    """How the walk ``id`` ended.

    ``listed`` counts distinct ids, of which ``new`` were recorded by it; ``doubt`` is None only for a complete walk.
    """

    id: WalkId
    listing: ListingName
    is_complete: bool
    doubt: str | None
    pages: int
    listed: int
    new: int
    malformed: int


RESUME_WITHIN = timedelta(hours=1)
"""An interrupted walk is gone on with when its last page is younger than this; an older one begins anew, since the
listing has moved on and re-reading it is cheaper than reasoning about it."""
