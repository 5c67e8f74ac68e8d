"""A listing by offset that changes while it is read, over a catalog whose clock runs with it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final

from archiver.model.listing import Cursor, Listing, Page, WalkKind, WalkReport, Window
from archiver.model.recording import RecordingId
from archiver.pipeline.tally import Tally
from archiver.pipeline.walk import Walker
from archiver.ports.provider import Capabilities
from archiver.providers.paging import OffsetPosition, Reading
from tests.builders import ACCOUNT, RECORDINGS, make_listed
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import Clock
from tests.fakes.provider import FakeProvider
from tests.unit.pipeline.bench import POLICY, make_account

HOUR: Final = timedelta(hours=1)
DAY: Final = 24 * HOUR
OVERLAP, LAG = DAY, 2 * HOUR


@dataclass(frozen=True)
class Call:
    """A recording: when it began, when it was filed, and from when on it is listed."""

    name: RecordingId
    began_at: datetime
    filed_at: datetime
    shown_at: datetime


@dataclass
class ShiftingProvider(FakeProvider):
    """Sorts by when recordings were filed, which is up to ``OVERLAP`` after they began; shows them up to ``LAG`` later.

    ``churn`` is how likely something happens before each page: calls come in, or one vanishes. ``crash_at`` counts the
    pages until it cancels whoever reads.
    """

    clock: Clock = field(default_factory=Clock)
    random: Random = field(default_factory=lambda: Random(1))
    is_newest_first: bool = True
    churn: float = 0.0
    crash_at: int | None = None
    page_count: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = Capabilities(seek=lambda rows: OffsetPosition(offset=rows).as_cursor())
        self.calls: list[Call] = []
        self._numbers = count()

    def ring(self, calls: int, within: timedelta, *, shown_from: datetime | None = None) -> None:
        """Let so many calls have begun, spread over the time up to now; none was listed before ``shown_from``."""
        for _ in range(calls):
            began_at = self.clock.now() - self.random.random() * within
            filed_at = began_at + self.random.choice([0.0, 0.01, self.random.random()]) * OVERLAP
            shown_at = filed_at + self.random.choice([0.0, self.random.random()]) * LAG
            shown_at = max(shown_at, shown_from or shown_at)
            name = RecordingId(f"c{next(self._numbers)}")
            self.calls.append(Call(name, began_at, filed_at, shown_at))

    def vanish(self, calls: int) -> None:
        """Let calls be deleted, anywhere."""
        for _ in range(min(calls, len(self.calls))):
            self.calls.pop(self.random.randrange(len(self.calls)))

    def listed(self) -> list[Call]:
        """What is listed now, in its order."""
        shown = [call for call in self.calls if call.shown_at <= self.clock.now()]
        return sorted(shown, key=lambda call: (call.filed_at, call.name), reverse=self.is_newest_first)

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """A page of what is listed by now; first something may happen."""
        await asyncio.sleep(0)
        self.page_count += 1
        while self.random.random() < self.churn:
            self.clock.advance(self.random.random() * 10 * timedelta(minutes=1))
            self.ring(self.random.randrange(3), LAG, shown_from=self.clock.now())
            self.vanish(self.random.randrange(3))
        if self.crash_at is not None:
            self.crash_at -= 1
            if self.crash_at == 0:
                self.crash_at = None
                raise asyncio.CancelledError
        return self._page(OffsetPosition.parse(cursor))

    def _page(self, position: OffsetPosition) -> Page:
        query, calls = position.query(self.page_size), self.listed()
        end = int(query["offset"]) + int(query["limit"])
        shown = calls[int(query["offset"]) : end]
        names = [call.name for call in shown]
        step = position.advance(Reading(row_keys=names, has_next=end < len(calls), total=len(calls)))
        return Page(
            # Expired: so that any number of them may be missing at once
            rows=tuple(make_listed(one.name, started_at=one.began_at, expires_at=one.began_at) for one in shown),
            next_cursor=step.following.as_cursor() if step.following else None,
            total=len(calls),
            has_gap=step.has_gap,
            doubt=step.doubt,
        )


class World:
    """An account with such a listing, and a catalog that walks over it fill."""

    def __init__(self, seed: int = 1, **changes: object) -> None:
        self.clock = Clock()
        self.catalog = FakeCatalog(self.clock)
        self.provider = ShiftingProvider(4, clock=self.clock, random=Random(seed), **changes)  # type: ignore[arg-type]
        self.account = make_account(overlap=OVERLAP, lag=LAG)

    async def walk(self, kind: WalkKind) -> WalkReport:
        """Walk. Raises: CancelledError when the provider is told to crash."""
        await self.catalog.enrol(ACCOUNT, "fake", "fake-1")
        walker = Walker(
            account=self.account,
            provider=self.provider,
            intake=self.catalog,
            policy=POLICY,
            tally=Tally(),
            lease=timedelta(minutes=1),
            on_page=lambda: None,
        )
        return await walker.walk(RECORDINGS, Window(), kind)

    async def count_pages(self, kind: WalkKind) -> int:
        """How many pages a complete walk asks for."""
        before = self.provider.page_count
        assert (await self.walk(kind)).is_complete
        return self.provider.page_count - before

    async def unknown(self, since: WalkReport | None = None) -> set[RecordingId]:
        """What is listed now, and was when this walk began, and is not recorded."""
        began_at = self.catalog._walks[since.id].started_at if since else self.clock.now()
        listed = {call.name for call in self.provider.listed() if call.shown_at <= began_at}
        return listed - await self.catalog.known(ACCOUNT, listed)
