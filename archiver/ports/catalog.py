"""What the pipeline and the commands ask of the catalog. All times are the catalog's own clock, unless a time is given.

Every method may raise ``CatalogUnavailable``, after which it may be repeated with the same arguments, also when
the catalog did carry it out: a repeat changes nothing more. ``CatalogError`` means that repeating is of no use.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from archiver.model.account import AccountName
from archiver.model.listing import Checkpoint, Listing, Order, Walk, WalkId, WalkKind, WalkReport, Window
from archiver.model.outcome import Outcome
from archiver.model.recording import Claim, LeaseId, Listed, ListingName, Malformed, Reason, RecordingId, State


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkRequest:
    """A walk to begin. An interrupted full one of the same account and listing is resumed when its last page is younger
    than ``resume_within`` and nobody holds it any more; walks of another kind always begin anew.

    A complete walk over the listing leaves its start, less ``lag``, as a watermark; a bounded one leaves none. An
    exclusive walk begins only while nobody else holds a full or incremental one of the listing.
    """

    account: AccountName
    listing: Listing
    kind: WalkKind
    window: Window
    lease: timedelta
    resume_within: timedelta
    lag: timedelta = timedelta(0)
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIntake:
    """A page's rows on their way into the catalog, with the checkpoint behind it.

    ``excluded`` are the ids that the operator's filter leaves out: recorded as such, never fetched. ``passed`` are
    those outside the walk's window: seen, so that the listing's total can be met, but neither recorded nor counted
    as listed.
    """

    rows: Sequence[Listed]
    malformed: Sequence[Malformed]
    checkpoint: Checkpoint
    excluded: Collection[RecordingId] = field(default=frozenset())
    passed: Collection[RecordingId] = field(default=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a page's intake came to.

    ``fresh`` counts the ids (and malformed rows) that this round of the walk had not seen before; ``new`` the
    recordings that the catalog did not know; ``seen`` all distinct ids and malformed rows of the walk so far.
    """

    fresh: int
    new: int
    seen: int


class Intake(Protocol):
    """The catalog as walks see it."""

    async def enrol(self, account: AccountName, provider: str, real_id: str) -> None:
        """Remember who an account is at its provider.

        Raises: ConfigError when the name stood for another provider or another real account before.
        """

    async def begin_walk(self, request: WalkRequest) -> Walk:
        """Begin a walk, or resume an interrupted one. It is held under a lease that each page's intake renews.

        An incremental walk is told the newest watermark of the complete walks that it can stand on, and the order that
        the last complete full walk proved. Those whose window began later than its own left out what it would take for
        known, and don't count; with none to stand on it is a full walk, and answered as one.

        Raises: Held when the walk is to be exclusive, and somebody holds another one.
        """

    async def record(self, walk: WalkId, page: PageIntake) -> Recorded:
        """Record a page's rows and its checkpoint, in one transaction.

        Unknown recordings become ``pending`` (or ``excluded``); known ones are written only where the provider's
        document changed, the filter's verdict changed, or they had been missing, failed or gone and are listed again.
        """

    async def renew_walk(self, walk: WalkId, lease: timedelta) -> None:
        """Hold a walk for another ``lease`` from now, while a page takes long."""

    async def end_walk(self, walk: WalkId, doubt: str | None, order: Order = Order.NONE) -> WalkReport:
        """End a walk; ``doubt`` None means complete. Of a complete full walk ``order`` is what it proved.

        A complete full walk notes which recordings of the listing it did not see: they get ``remote_missing_at``, and
        those never stored become ``gone`` if the provider also denied them by id. When more than one in twenty (and
        more than one) of the account's unexpired recordings would be missing at once, nothing is noted and the walk
        is incomplete: that is a fault of the listing. May be repeated: an ended walk only answers its report again.
        """

    async def release_walk(self, walk: WalkId) -> None:
        """Give an unfinished walk back, to be resumed by the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What to claim: at most ``limit`` recordings of an account that ``covered`` covers, by ``started_at``.

    A pass takes every waiting recording once, whether it is due or not: those whose last pass began before
    ``pass_started_at``. After that a recording comes again when it is due and has had fewer than ``max_attempts``
    in this pass; one that waits for media that is not there yet comes again only with another pass. A verified suspect
    is taken too, until it is confirmed; the pass that stored it does not take it again.

    With ``due_only`` a pass takes none before it is due, but for those that no pass ever had; one that has attempts
    left of a former pass goes on with these, so that passes may begin faster than attempts follow each other.
    ``slots`` is how many recordings of the account may be claimed at once, by all processes that name a number; None
    claims without one.
    """

    account: AccountName
    limit: int
    lease: timedelta
    pass_started_at: datetime
    max_attempts: int
    covered: Window = field(default_factory=Window)
    due_only: bool = False
    slots: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What an account still has to do, as a pass sees it.

    ``claimable`` recordings could be claimed now; ``retry_in`` is the time until the next one of this pass is due;
    ``due_in`` that until the next waiting one of any pass is; ``leased`` are held by somebody; ``left`` is all
    that is not verified (suspects are), gone, excluded, failed or remote_deleted.
    """

    claimable: int
    retry_in: timedelta | None
    due_in: timedelta | None
    leased: int
    left: int


class Work(Protocol):
    """The catalog as workers see it."""

    async def now(self) -> datetime:
        """The catalog's clock, to start a pass with."""

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Take due recordings under new leases, the earliest-expiring first. No two claimers get the same one.

        Leases that ran out are claimed like free ones.
        """

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        """Hold these for another ``lease`` from now; answers those that are still ours. The others are lost.

        One that ran out is ours as long as nobody took the recording, and, in an account with slots, it has its slot.
        """

    async def living(self, leases: Collection[LeaseId]) -> frozenset[LeaseId]:
        """Which of these leases hold a recording now."""

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Write what became of claims, in one transaction; answers the leases that were lost.

        An outcome whose lease was taken over by somebody else changes nothing. At most one outcome per lease.
        """

    async def outlook(self, request: ClaimRequest) -> Outlook:
        """What is left to do, under the same conditions as a claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRequest:
    """Which kept copies of an account to read back: those that were not read since ``not_since``, in ``rows`` only
    (None: all). Those come first that were not read for the longest time; ``behind`` is the last one had so far."""

    account: AccountName
    not_since: datetime
    lease: timedelta
    limit: int
    rows: Collection[int] | None = None
    behind: Claim | None = None


class Custody(Protocol):
    """The catalog as those see it who look after what is kept."""

    async def claim_kept(self, request: KeptRequest) -> Sequence[Claim]:
        """Take copies to read back under new leases; those that somebody holds are left out.

        Every recording that has an object counts: stored, verified, damaged, remote_deleted. What becomes of it is
        settled like any other claim, and leaves a ``remote_deleted`` one as it is when the bytes are equal.
        """

    async def count_kept(self, request: KeptRequest) -> int:
        """How many copies there are to read back, whoever holds them; ``limit`` and ``behind`` do not count."""

    async def reopen(self, account: AccountName, rows: Collection[int] | None) -> int:
        """Make failed, damaged and waiting recordings due now (None: all of the account); answers how many.

        A verified suspect that is named is fetched once more. What somebody holds is left as it is.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which recordings to show, ``started_at`` descending. Empty fields select everything.

    ``number`` matches either party by its digits; six or more of them match the end of a number too, since the same
    one is written with and without its prefixes. ``limit`` None shows all.
    """

    account: AccountName | None = None
    state: State | None = None
    is_suspect: bool | None = None
    is_held: bool | None = None
    window: Window = field(default_factory=Window)
    number: str | None = None
    limit: int | None = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A recording as the catalog knows it; the names are those of the contract's ``ls --json``."""

    row: int
    account: AccountName
    provider: str
    listed: Listed
    state: State
    reason: Reason | None
    suspect: str | None
    is_held: bool
    first_seen_at: datetime
    format: str | None
    size_bytes: int | None
    digest: bytes | None
    key: str | None
    storage_url: str | None
    attempts: int
    next_attempt_at: datetime | None
    error: str | None
    stored_at: datetime | None
    verified_at: datetime | None
    verified_by: str | None
    remote_missing_at: datetime | None
    remote_deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a recording's history."""

    at: datetime
    name: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingStatus:
    """The last walks over a listing."""

    last_at: datetime | None
    last_complete_at: datetime | None
    is_complete: bool
    doubt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A malformed row of a listing that was kept aside, and when it was last seen there."""

    listing: ListingName
    reason: str
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """An account at a glance. ``states`` has every state; ``backlog`` counts what is not archived yet, ``suspects``
    those whose bytes may not be the call, ``quarantined`` the malformed rows, of which ``malformed`` are the latest
    three."""

    account: AccountName
    provider: str
    states: dict[State, int]
    stored_bytes: int
    backlog: int
    oldest_unarchived_at: datetime | None
    next_expiry_at: datetime | None
    walks: dict[ListingName, ListingStatus]
    suspects: int
    quarantined: int
    malformed: Sequence[Quarantined]


class View(Protocol):
    """The catalog as commands see it: it changes nothing."""

    def find(self, query: Query) -> AsyncIterator[Record]:
        """The recordings that a query selects, streamed."""

    async def lookup(self, recording_id: str, account: AccountName | None) -> Sequence[Record]:
        """The recordings with this id, of one account or of all."""

    async def history(self, row: int) -> Sequence[Event]:
        """What happened to a recording, oldest first."""

    async def status(self) -> Sequence[AccountStatus]:
        """Every account that was ever enrolled, by name. Cheap at ten million recordings."""

    async def walked(self, walks: Collection[WalkId]) -> int:
        """How many distinct recordings these walks listed together (those passed over are not counted)."""

    async def known(self, account: AccountName, ids: Collection[RecordingId]) -> frozenset[RecordingId]:
        """Which of these the catalog knows."""
