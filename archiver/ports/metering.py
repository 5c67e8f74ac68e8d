"""What is told to whoever measures, as it happens, of one account."""

from typing import Protocol


class Meter(Protocol):
    """Counts of one account. No method raises, waits, or takes noticeable time."""

    def listed(self, count: int) -> None:
        """A walk has ended, and showed so many recordings."""

    def stored(self, size_bytes: int, seconds: float) -> None:
        """A recording is in storage and in the catalog, so many seconds after it was claimed."""

    def missed(self, outcome: str) -> None:
        """A download ended in an error of this code."""

    def verified(self, outcome: str, count: int = 1) -> None:
        """Copies were read back: ``ok``, ``damaged``, ``missing`` or ``unreadable``."""

    def requested(self, endpoint: str, status: int | None, seconds: float) -> None:
        """A request was answered with this status after so many seconds; None: it was not."""

    def silenced(self, seconds: float) -> None:
        """The provider asked for so many seconds of silence, beyond those that it had asked for before."""
