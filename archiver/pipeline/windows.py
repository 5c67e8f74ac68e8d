"""Windows: how a listing that must be asked for by time is cut into spans, apart from how each span is paged.

The plan of a walk follows from its bounds and the listing's rule alone, so a resumed walk makes the same one. Windows
go from the oldest to the newest and overlap; one that the provider finds too long, or that comes back full, is halved.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from archiver.model.listing import Checkpoint, Cursor, Window
from archiver.ports.provider import WindowRule

SHORTEST: Final = timedelta(minutes=1)
"""A window is not halved below this; a listing that is still full then cannot be read whole."""


def plan(bounds: Window, rule: WindowRule, now: datetime) -> Sequence[Window]:
    """The windows that cover ``bounds``, oldest first; the seams of months come after the windows that hold them.

    A listing may be kept by another time than the call's start, such as when the recording was filed. So the end
    reaches one overlap further than was asked for, up to ``now``. All is in UTC, where every day has 24 hours.
    """
    now = now.astimezone(UTC)
    since = bounds.since.astimezone(UTC) if bounds.since else now - rule.reach
    until = min(now, bounds.until.astimezone(UTC) + rule.overlap) if bounds.until else now
    windows = [*_spans(since, until, rule), *_seams(since, until, rule)]
    return sorted(windows, key=lambda window: (window.until or now, window.since or now))


def _spans(since: datetime, until: datetime, rule: WindowRule) -> Iterator[Window]:
    while until - since > rule.longest:
        yield Window(since, since + rule.longest)
        since += rule.longest - rule.overlap
    yield Window(since, max(since, until))


def _seams(since: datetime, until: datetime, rule: WindowRule) -> Iterator[Window]:
    """A seam is asked for whole, also before ``since``: a window that begins in the later month shows nothing of it."""
    if rule.month_seam is None:
        return
    month = datetime(since.year, since.month, 1, tzinfo=UTC)
    while month <= until:
        if month + rule.month_seam >= since:
            yield Window(month - rule.month_seam, min(until, month + rule.month_seam))
        month = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def halves(window: Window) -> tuple[Window, Window] | None:
    """A window in two, which share the instant in the middle; None when it is too short for that, or open."""
    if window.since is None or window.until is None or window.until - window.since < 2 * SHORTEST:
        return None
    middle = window.since + (window.until - window.since) / 2
    middle = middle.replace(microsecond=0)  # providers count whole seconds
    return Window(window.since, middle), Window(middle, window.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a walk by windows stands: in the plan's window number ``step``, at ``window`` (it or a part of it)."""

    step: int
    window: Window
    cursor: Cursor | None = None

    def as_cursor(self) -> Cursor:
        """The position as a text that can be kept."""
        bounds = [moment and moment.isoformat() for moment in (self.window.since, self.window.until)]
        return Cursor(json.dumps([self.step, *bounds, self.cursor]))

    @classmethod
    def parse(cls, text: Cursor) -> Self:
        """The position that ``as_cursor`` wrote."""
        step, since, until, cursor = json.loads(text)
        return cls(step=step, window=Window(_instant(since), _instant(until)), cursor=cursor)

    def rest(self, windows: Sequence[Window]) -> Sequence["Position"]:
        """What is still to be read: from here to the end of this window of the plan, and every later one."""
        whole = windows[self.step]
        parts = [self]
        if whole.until and self.window.until and self.window.until < whole.until:
            parts.append(Position(step=self.step, window=replace(whole, since=self.window.until)))
        return parts + beginnings(windows)[self.step + 1 :]


@dataclass(slots=True)
class Trail:
    """What a walk by windows keeps behind it: where it would be resumed, and the first doubt it came to."""

    kept: Cursor | None = None
    doubt: str | None = None

    def note(self, doubt: str | None) -> None:
        """Remember why the listing cannot be complete; the first reason counts."""
        self.doubt = self.doubt or doubt

    def checkpoint(self, following: Position) -> Checkpoint:
        """The checkpoint to save with a page. Behind a doubt it stays, so that a resumed walk comes past it again."""
        if self.doubt is None:
            self.kept = following.as_cursor()
        return Checkpoint(cursor=self.kept)


def beginnings(windows: Sequence[Window]) -> list[Position]:
    """The beginnings of all windows of a plan."""
    return [Position(step=step, window=window) for step, window in enumerate(windows)]


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
