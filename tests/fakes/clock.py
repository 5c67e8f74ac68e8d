"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The time as a fake sees it. It begins at a fixed moment, so that a test reads the same on every day."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        return self._now

    def advance(self, duration: timedelta) -> None:
        """Let ``duration`` go by at once."""
        self._now += duration
