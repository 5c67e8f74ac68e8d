"""How the daemon itself fares, beside what the catalog says: troubles, and what is under way."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from archiver.model.account import AccountName
from archiver.model.errors import ArchiverError
from archiver.model.recording import ListingName
from archiver.pipeline.tally import Tally
from archiver.ports.catalog import AccountStatus


@dataclass(slots=True, kw_only=True)
class AccountVitals:
    """How an account fares in this process.

    ``trouble`` is what keeps it from being walked or fetched, since ``trouble_since``; ``failed_intervals`` counts the
    scheduled walks in a row that it spoiled. ``missed_runs`` counts scheduled runs that were due while an earlier one
    went on, or while the machine slept: they are made up for by one. ``tally`` counts what this process did.
    ``listings`` are those that the configuration asks for now, None before the provider's adapter said so.
    """

    name: AccountName
    provider: str
    trouble: ArchiverError | None = None
    trouble_since: datetime | None = None
    failed_intervals: int = 0
    missed_runs: int = 0
    tally: Tally = field(default_factory=Tally)
    next_walk_at: datetime | None = None
    listings: frozenset[ListingName] | None = None

    def is_asked_for(self, listing: ListingName) -> bool:
        """Whether the configuration still asks for a listing, as far as is known."""
        return self.listings is None or listing in self.listings

    def unread(self, walked: Iterable[ListingName]) -> frozenset[ListingName]:
        """The listings that the configuration asks for and that are not among those ``walked``."""
        return (self.listings or frozenset()).difference(walked)

    def current(self, status: AccountStatus) -> AccountStatus:
        """The account's status without listings that the configuration asks for no more: nobody reads these again."""
        return replace(status, walks={name: walk for name, walk in status.walks.items() if self.is_asked_for(name)})

    def read_at(self, status: AccountStatus) -> datetime | None:
        """Since when every listing that was walked is read to its end, by whomever; None while one never was."""
        walks = self.current(status).walks.values()
        read = [walk.last_complete_at for walk in walks if walk.last_complete_at is not None]
        return min(read) if read and len(read) == len(walks) else None

    def fail(self, error: ArchiverError, now: datetime, *, is_interval: bool = True) -> None:
        """A walk was spoiled, with ``is_interval`` one of those that come at every interval."""
        self.trouble_since = self.trouble_since or now
        self.trouble = error
        self.failed_intervals += is_interval

    def recover(self) -> None:
        """A scheduled walk went well."""
        self.trouble = self.trouble_since = None
        self.failed_intervals = 0


@dataclass(slots=True, kw_only=True)
class Vitals:
    """How this process fares. ``is_started``: catalog and storage were reached once; ``config_error`` is why the last
    reload was refused."""

    started_at: datetime
    is_started: bool = False
    is_draining: bool = False
    catalog_trouble: str | None = None
    storage_trouble: str | None = None
    config_error: str | None = None
    accounts: dict[AccountName, AccountVitals] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool:
        """Whether catalog and storage answered when they were last asked."""
        return self.catalog_trouble is None and self.storage_trouble is None
