"""What a run came to so far, per account: the numbers that progress, summary and exit code are made of."""

from dataclasses import dataclass, field

from archiver.model.errors import ArchiverError
from archiver.model.listing import WalkReport
from archiver.model.recording import ListingName


@dataclass(slots=True)
class Reached:
    """How far a walk has come: distinct rows seen, and what the listing claims to hold."""

    seen: int = 0
    total: int | None = None
    is_over: bool = False


@dataclass(slots=True)
class Tally:
    """Counts of one account in this run.

    ``stored`` counts every object published, ``verified`` those of them that were read back and equal, ``bytes`` the
    sizes of the published ones. ``refused`` counts attempts that ended in an error. ``trouble`` is what stopped the
    account as a whole, ``last_error`` the latest of any kind.
    """

    reached: dict[ListingName, Reached] = field(default_factory=dict)
    walks: list[WalkReport] = field(default_factory=list)
    new: int = 0
    stored: int = 0
    verified: int = 0
    failed: int = 0
    refused: int = 0
    bytes: int = 0
    in_flight: int = 0
    trouble: ArchiverError | None = None
    last_error: str | None = None

    def note(self, error: ArchiverError) -> None:
        """Remember an error for the reader."""
        self.last_error = str(error)
