"""A walk in the fake catalog: what it asked for, what it saw, how it ended."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver.model.listing import Checkpoint, Order, Walk, WalkId, WalkKind, WalkReport
from archiver.model.recording import RecordingId
from archiver.ports.catalog import PageIntake, WalkRequest


@dataclass(slots=True, kw_only=True)
class WalkRow:
    """A walk. ``seen`` has, by round, the ids and the fingerprints of malformed rows that it came past."""

    id: WalkId
    request: WalkRequest
    started_at: datetime
    held_until: datetime
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    seen: dict[int, set[RecordingId | bytes]] = field(default_factory=dict)
    listed: set[RecordingId] = field(default_factory=set)
    malformed: set[bytes] = field(default_factory=set)
    new: int = 0
    pages: int = 0
    last_page: PageIntake | None = None
    last_page_at: datetime | None = None
    ended_at: datetime | None = None
    doubt: str | None = None
    order: Order = Order.NONE
    stands_on: tuple[datetime | None, Order] = (None, Order.NONE)

    @property
    def seen_in_all(self) -> set[RecordingId | bytes]:
        return set().union(*self.seen.values())

    def see(self, page: PageIntake, now: datetime) -> int:
        """Take a page in; answers how many of its rows this round had not seen."""
        ids = {row.recording_id for row in page.rows}
        fingerprints = {row.fingerprint for row in page.malformed}
        self.listed |= ids
        self.malformed |= fingerprints
        seen = self.seen.setdefault(page.checkpoint.round, set())
        before = len(seen)
        seen.update(ids, fingerprints, page.passed)
        self.pages += page != self.last_page
        self.last_page, self.last_page_at, self.checkpoint = page, now, page.checkpoint
        self.held_until = now + self.request.lease
        return len(seen) - before

    def held_for(self, request: WalkRequest, now: datetime) -> timedelta:
        """How long it still keeps an exclusive walk from beginning."""
        mine, theirs = self.request, request
        is_same = (mine.account, mine.listing.name) == (theirs.account, theirs.listing.name)
        is_over = self.ended_at is not None or mine.kind is WalkKind.BOUNDED
        return self.held_until - now if is_same and not is_over else timedelta(0)

    def may_resume(self, request: WalkRequest, now: datetime) -> bool:
        mine, theirs = self.request, request
        if (mine.account, mine.listing.name, mine.kind) != (theirs.account, theirs.listing.name, theirs.kind):
            return False
        if mine.kind is not WalkKind.FULL or self.ended_at or self.last_page_at is None or self.held_until > now:
            return False
        return now - self.last_page_at < request.resume_within

    def is_complete(self, request: WalkRequest) -> bool:
        """Whether this walk read the request's listing completely, and not only a part of the time."""
        mine, theirs = self.request, request
        is_same = (mine.account, mine.listing.name) == (theirs.account, theirs.listing.name)
        return is_same and mine.kind is not WalkKind.BOUNDED and self.ended_at is not None and self.doubt is None

    def carries(self, request: WalkRequest) -> bool:
        """Whether an incremental walk can stand on this one: it began as early."""
        mine, theirs = self.request.window.since, request.window.since
        return self.is_complete(request) and (mine is None or (theirs is not None and mine <= theirs))

    def show(self, *, is_resumed: bool) -> Walk:
        asked, (watermark, order) = self.request, self.stands_on
        return Walk(
            id=self.id,
            listing=asked.listing,
            kind=asked.kind,
            window=asked.window,
            checkpoint=self.checkpoint,
            started_at=self.started_at,
            is_resumed=is_resumed,
            watermark=watermark,
            order=order,
        )

    def report(self) -> WalkReport:
        return WalkReport(
            id=self.id,
            listing=self.request.listing.name,
            is_complete=self.doubt is None,
            doubt=self.doubt,
            pages=self.pages,
            listed=len(self.listed),
            new=self.new,
            malformed=len(self.malformed),
        )
