"""What a run came to so far, per account: the numbers that progress, summary and exit code are made of."""

from dataclasses import dataclass, field

from archiver.model.errors import ArchiverError
from archiver.model.listing import WalkReport
from archiver.model.recording import ListingName
from archiver.ports.metering import Meter


@dataclass(slots=True)
class Reached:
    """How far a walk has come: distinct rows seen, and what the listing claims to hold. ``is_resumed``: an earlier run
    began it."""

    seen: int = 0
    total: int | None = None
    is_over: bool = False
    is_resumed: bool = False


@dataclass(slots=True)
class Tally:
    """Counts of one account in this run.

    ``stored`` counts every object published, ``verified`` those of them that were read back and equal, ``bytes`` the
    sizes of the published ones; ``suspect`` counts the published ones whose bytes may not be the call. ``refused``
    counts attempts that ended in an error. ``trouble`` is what stopped the account as a whole, ``last_error`` the
    latest of any kind, and ``last_fix`` what helps against that. ``backlog`` is what the catalog had left to do before
    the run, None while that is not known. ``meter`` is told as well, where there is one.
    """

    reached: dict[ListingName, Reached] = field(default_factory=dict)
    walks: list[WalkReport] = field(default_factory=list)
    new: int = 0
    stored: int = 0
    verified: int = 0
    failed: int = 0
    suspect: int = 0
    refused: int = 0
    bytes: int = 0
    in_flight: int = 0
    backlog: int | None = None
    trouble: ArchiverError | None = None
    last_error: str | None = None
    last_fix: str | None = None
    meter: Meter | None = None

    def count_walk(self, report: WalkReport) -> None:
        """A walk has ended."""
        self.walks.append(report)
        if self.meter is not None:
            self.meter.listed(report.listed)

    def count_stored(self, size_bytes: int, seconds: float) -> None:
        """A recording was published, so many seconds after it was claimed."""
        self.stored += 1
        self.bytes += size_bytes
        if self.meter is not None:
            self.meter.stored(size_bytes, seconds)

    def count_read(self, outcome: str) -> None:
        """A copy was read back: ``ok``, ``damaged`` or ``missing``."""
        if self.meter is not None:
            self.meter.verified(outcome)

    def count_refused(self, error: ArchiverError) -> None:
        """An attempt ended in an error."""
        self.refused += 1
        self.note(error)
        if self.meter is not None:
            self.meter.missed(error.code)

    @property
    def has_reached(self) -> bool:
        """Whether any listing showed anything; while none did, the account may not be reachable at all."""
        return any(reached.seen for reached in self.reached.values())

    @property
    def left(self) -> int | None:
        """How many recordings are still to be fetched, as far as is known; None before the catalog was asked."""
        if self.backlog is None:
            return None
        return max(0, self.backlog + self.new - self.verified - self.failed)

    def learn(self, left: int) -> None:
        """Correct ``left`` by what the catalog counts: filters and failures shift it."""
        self.backlog = left + self.verified + self.failed - self.new

    def note(self, error: ArchiverError) -> None:
        """Remember an error for the reader."""
        self.last_error, self.last_fix = str(error), error.fix
