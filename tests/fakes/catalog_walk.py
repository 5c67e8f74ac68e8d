"""A walk in the fake catalog: what it asked for, what it saw, how it ended."""

from dataclasses import dataclass, field
from datetime import datetime

from archiver.model.listing import Checkpoint, Walk, WalkId, WalkKind, WalkReport
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

    def may_resume(self, request: WalkRequest, now: datetime) -> bool:
        mine, theirs = self.request, request
        if (mine.account, mine.listing.name, mine.kind) != (theirs.account, theirs.listing.name, theirs.kind):
            return False
        if mine.kind is WalkKind.BOUNDED or self.ended_at or self.last_page_at is None or self.held_until > now:
            return False
        return now - self.last_page_at < request.resume_within

    def show(self, *, is_resumed: bool) -> Walk:
        asked = self.request
        return Walk(
            id=self.id,
            listing=asked.listing,
            kind=asked.kind,
            window=asked.window,
            checkpoint=self.checkpoint,
            started_at=self.started_at,
            is_resumed=is_resumed,
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
