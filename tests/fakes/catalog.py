"""The catalog in memory, for tests of what stands on it. It is held to the same contract suite as the real one."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import uuid4

from archiver.model.account import AccountName
from archiver.model.errors import ConfigError, Held
from archiver.model.listing import Order, Walk, WalkId, WalkKind, WalkReport
from archiver.model.outcome import Outcome
from archiver.model.recording import Claim, LeaseId, Listed, ListingName, RecordingId, State
from archiver.ports.catalog import (
    AccountStatus,
    ClaimRequest,
    Event,
    KeptRequest,
    ListingStatus,
    Outlook,
    PageIntake,
    Quarantined,
    Query,
    Record,
    Recorded,
    WalkRequest,
)
from tests.fakes.catalog_row import Row, next_due_in, selects
from tests.fakes.catalog_walk import WalkRow
from tests.fakes.clock import Clock

_BACKLOG: Final = frozenset({State.PENDING, State.DAMAGED})
_KEPT: Final = frozenset({State.STORED, State.VERIFIED, State.DAMAGED, State.REMOTE_DELETED})
_ONE_IN: Final = 20


class FakeCatalog:
    """Intake, Work, Custody and View over plain dictionaries. ``clock`` is the catalog's own."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._accounts: dict[AccountName, tuple[str, str]] = {}
        self._rows: dict[tuple[AccountName, RecordingId], Row] = {}
        self._walks: dict[WalkId, WalkRow] = {}
        self._ended: list[WalkRow] = []
        self._quarantine: dict[tuple[AccountName, ListingName, bytes], Quarantined] = {}
        self._leases: dict[LeaseId, Row] = {}
        self._slots: dict[AccountName, int] = {}
        self._settled: set[LeaseId] = set()

    async def enrol(self, account: AccountName, provider: str, real_id: str) -> None:
        if self._accounts.setdefault(account, (provider, real_id)) != (provider, real_id):
            raise ConfigError(f"{account} was another account before", account=account)

    async def begin_walk(self, request: WalkRequest) -> Walk:
        now, stands_on = self.clock.now(), self._stand(request)
        rest = max((walk.held_for(request, now) for walk in self._walks.values()), default=timedelta(0))
        if request.is_exclusive and rest > timedelta(0):
            raise Held("somebody else walks it", rest)
        if stands_on[0] is None and request.kind is WalkKind.INCREMENTAL:
            request = replace(request, kind=WalkKind.FULL)
        for walk in reversed(self._walks.values()):
            if walk.may_resume(request, now):
                walk.held_until = now + request.lease
                return walk.show(is_resumed=True)
        walk = WalkRow(id=WalkId(len(self._walks) + 1), request=request, started_at=now, held_until=now + request.lease)
        if request.kind is WalkKind.INCREMENTAL:
            walk.stands_on = stands_on
        self._walks[walk.id] = walk
        return walk.show(is_resumed=False)

    def _stand(self, request: WalkRequest) -> tuple[datetime | None, Order]:
        """The newest watermark that a walk can stand on, and the order that the last complete full walk proved."""
        watermarks = [walk.started_at - walk.request.lag for walk in self._ended if walk.carries(request)]
        full = [walk for walk in self._ended if walk.is_complete(request) and walk.request.kind is WalkKind.FULL]
        return max(watermarks, default=None), full[-1].order if full else Order.NONE

    async def record(self, walk: WalkId, page: PageIntake) -> Recorded:
        it, now, known = self._walks[walk], self.clock.now(), len(self._rows)
        fresh = it.see(page, now)
        for listed in page.rows:
            self._record(it.request, listed, is_excluded=listed.recording_id in page.excluded)
        for bad in page.malformed:
            place = (it.request.account, bad.listing, bad.fingerprint)
            self._quarantine[place] = Quarantined(listing=bad.listing, reason=bad.reason, last_seen_at=now)
        new = len(self._rows) - known
        it.new += new
        return Recorded(fresh=fresh, new=new, seen=len(it.seen_in_all))

    def _record(self, walk: WalkRequest, listed: Listed, *, is_excluded: bool) -> None:
        now, place = self.clock.now(), (walk.account, listed.recording_id)
        if (row := self._rows.get(place)) is None:
            number = len(self._rows) + 1
            row = self._rows[place] = Row(number=number, account=walk.account, listed=listed, first_seen_at=now)
            row.note(now, "recorded")
        if row.listed.fingerprint != listed.fingerprint:
            row.listed = listed
        row.remote_missing_at, row.is_denied = None, False
        if row.state is State.GONE or (row.state is State.FAILED and walk.kind is WalkKind.FULL):
            row.become(State.PENDING, now)
        if row.state is (State.PENDING if is_excluded else State.EXCLUDED):
            row.become(State.EXCLUDED if is_excluded else State.PENDING, now)

    async def renew_walk(self, walk: WalkId, lease: timedelta) -> None:
        self._walks[walk].held_until = self.clock.now() + lease

    async def end_walk(self, walk: WalkId, doubt: str | None, order: Order = Order.NONE) -> WalkReport:
        it = self._walks[walk]
        if it.ended_at is not None:
            return it.report()
        if doubt is None and it.request.kind is WalkKind.FULL:
            doubt = self._note_missing(it)
        self._ended.append(it)
        it.ended_at, it.doubt, it.order = self.clock.now(), doubt, order
        return it.report()

    def _note_missing(self, walk: WalkRow) -> str | None:
        """Note what a complete full walk did not see; answers the doubt when that is too much to believe."""
        now, asked, seen = self.clock.now(), walk.request, walk.seen_in_all
        there = [row for row in self._of(asked.account) if row.remote_missing_at is None]
        missing = [
            row
            for row in there
            if row.listed.listing == asked.listing.name
            and row.listed.recording_id not in seen
            and asked.window.covers(row.listed.started_at)
        ]
        unexpired = sum(not row.is_expired(now) for row in there)
        at_once = sum(not row.is_expired(now) for row in missing)
        if at_once > 1 and at_once * _ONE_IN > unexpired:
            return f"{at_once} of {unexpired} recordings would be missing at once"
        for row in missing:
            row.remote_missing_at = now
            row.note(now, "remote_missing")
            row.bury_if_gone(now)
        return None

    async def release_walk(self, walk: WalkId) -> None:
        self._walks[walk].held_until = self.clock.now()

    async def now(self) -> datetime:
        return self.clock.now()

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        now = self.clock.now()
        claimable = [row for row in self._covered(request) if row.is_claimable(request, now)]
        claimable.sort(key=lambda row: (row.listed.expires_at is None, row.listed.expires_at or now, row.number))
        free = request.limit
        if request.slots is not None:
            free = min(free, request.slots - sum(row.is_leased(now) for row in self._of(request.account)))
        return [self._take(row, request) for row in claimable[: max(0, free)]]

    def _take(self, row: Row, request: ClaimRequest) -> Claim:
        if row.has_turn(request) and not row.goes_on(request):
            row.pass_started_at, row.attempts_in_pass = request.pass_started_at, 0
        if request.slots is not None:
            self._slots[request.account] = request.slots
        return self._hold(row, request.lease, has_slot=request.slots is not None)

    def _hold(self, row: Row, for_: timedelta, *, has_slot: bool = False) -> Claim:
        lease = LeaseId(uuid4())
        row.lease, row.leased_until, row.has_slot = lease, self.clock.now() + for_, has_slot
        self._leases[lease] = row
        return Claim(
            row=row.number,
            lease=lease,
            state=row.state,
            listed=row.listed,
            first_seen_at=row.first_seen_at,
            attempts=row.attempts,
            attempts_in_pass=row.attempts_in_pass,
            kept=row.kept,
            suspect=row.suspect,
            verified_at=row.verified_at,
            refused=row.refused,
        )

    async def claim_kept(self, request: KeptRequest) -> Sequence[Claim]:
        now, behind = self.clock.now(), request.behind
        place = _place(behind.verified_at, behind.row) if behind else None
        free = [row for row in self._kept(request) if not row.is_leased(now)]
        free.sort(key=lambda row: _place(row.verified_at, row.number))
        later = [row for row in free if place is None or _place(row.verified_at, row.number) > place]
        return [self._hold(row, request.lease) for row in later[: request.limit]]

    async def count_kept(self, request: KeptRequest) -> int:
        return len(list(self._kept(request)))

    def _kept(self, request: KeptRequest) -> Iterator[Row]:
        for row in self._of(request.account):
            is_chosen = request.rows is None or row.number in request.rows
            is_old = row.verified_at is None or row.verified_at <= request.not_since
            if row.kept and row.state in _KEPT and is_chosen and is_old:
                yield row

    async def reopen(self, account: AccountName, rows: Collection[int] | None) -> int:
        now = self.clock.now()
        free = [row for row in self._of(account) if not row.is_leased(now)]
        chosen = [row for row in free if rows is None or row.number in rows]
        return sum(row.reopen(now, is_named=rows is not None) for row in chosen)

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        ours = set[LeaseId]()
        for held in leases:
            row = self._leases.get(held)
            if row is not None and row.lease == held and self._has_slot(row):
                row.leased_until = self.clock.now() + lease
                ours.add(held)
        return frozenset(ours)

    def _has_slot(self, row: Row) -> bool:
        """Whether it has its slot still; where the account has none, nobody needs one."""
        now, slots = self.clock.now(), self._slots.get(row.account)
        if slots is None or row.is_leased(now):
            return True
        return row.has_slot and sum(other.is_leased(now) for other in self._of(row.account)) < slots

    async def living(self, leases: Collection[LeaseId]) -> frozenset[LeaseId]:
        now = self.clock.now()
        holders = ((held, self._leases[held]) for held in leases if held in self._leases)
        return frozenset(held for held, row in holders if row.lease == held and row.is_leased(now))

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        return frozenset(outcome.claim.lease for outcome in outcomes if not self._settle(outcome))

    def _settle(self, outcome: Outcome) -> bool:
        lease = outcome.claim.lease
        row = self._leases[lease]
        if lease in self._settled:
            return True
        if row.lease != lease:
            return False
        row.settle(outcome, self.clock.now())
        if row.lease is None:
            self._settled.add(lease)
        return True

    async def outlook(self, request: ClaimRequest) -> Outlook:
        now = self.clock.now()
        left = [row for row in self._covered(request) if row.is_work]
        free = [row for row in left if not row.is_leased(now)]
        in_pass = [row for row in free if row.comes_again(request)]
        return Outlook(
            claimable=sum(row.is_claimable(request, now) for row in free),
            retry_in=next_due_in(in_pass, now),
            due_in=next_due_in(free, now),
            leased=len(left) - len(free),
            left=sum(row.state is not State.VERIFIED for row in left),
        )

    async def find(self, query: Query) -> AsyncIterator[Record]:
        records = (row.show(self._accounts[row.account][0]) for row in self._rows.values())
        selected = [record for record in records if selects(query, record)]
        selected.sort(key=lambda record: (record.listed.started_at or record.first_seen_at, record.row), reverse=True)
        for record in islice(selected, query.limit):
            yield record

    async def lookup(self, recording_id: str, account: AccountName | None) -> Sequence[Record]:
        rows = (row for row in self._rows.values() if account in {None, row.account})
        return [row.show(self._accounts[row.account][0]) for row in rows if row.listed.recording_id == recording_id]

    async def history(self, row: int) -> Sequence[Event]:
        return [event for it in self._rows.values() if it.number == row for event in it.events]

    async def status(self) -> Sequence[AccountStatus]:
        return [self._status(account) for account in sorted(self._accounts)]

    def _status(self, account: AccountName) -> AccountStatus:
        rows = list(self._of(account))
        backlog = [row for row in rows if row.state in _BACKLOG]
        counts = Counter(row.state for row in rows)
        walks = [walk for walk in self._ended if walk.request.account == account]
        malformed = [bad for (owner, _, _), bad in self._quarantine.items() if owner == account]
        malformed.sort(key=lambda bad: bad.last_seen_at, reverse=True)
        return AccountStatus(
            account=account,
            provider=self._accounts[account][0],
            states={state: counts[state] for state in State},
            stored_bytes=sum(row.kept.size_bytes for row in rows if row.kept),
            backlog=len(backlog),
            oldest_unarchived_at=min((row.first_seen_at for row in backlog), default=None),
            next_expiry_at=min((row.listed.expires_at for row in backlog if row.listed.expires_at), default=None),
            walks={name: _listing_status(name, walks) for name in {walk.request.listing.name for walk in walks}},
            suspects=sum(row.suspect is not None for row in rows),
            quarantined=len(malformed),
            malformed=malformed[:3],
        )

    async def walked(self, walks: Collection[WalkId]) -> int:
        its = [self._walks[walk] for walk in walks]
        return len({(walk.request.account, recording_id) for walk in its for recording_id in walk.listed})

    async def known(self, account: AccountName, ids: Collection[RecordingId]) -> frozenset[RecordingId]:
        return frozenset(recording_id for recording_id in ids if (account, recording_id) in self._rows)

    def _of(self, account: AccountName) -> Iterator[Row]:
        return (row for row in self._rows.values() if row.account == account)

    def _covered(self, request: ClaimRequest) -> Iterator[Row]:
        return (row for row in self._of(request.account) if request.covered.covers(row.listed.started_at))


def _place(verified_at: datetime | None, number: int) -> tuple[bool, datetime | None, int]:
    """Where a copy stands in the order of reading back: what was never read comes first."""
    return verified_at is not None, verified_at, number


def _listing_status(name: ListingName, ended: Sequence[WalkRow]) -> ListingStatus:
    over = [walk for walk in ended if walk.request.listing.name == name]
    complete = [walk for walk in over if walk.doubt is None and walk.request.kind is not WalkKind.BOUNDED]
    return ListingStatus(
        last_at=over[-1].ended_at,
        last_complete_at=complete[-1].ended_at if complete else None,
        is_complete=over[-1].doubt is None,
        doubt=over[-1].doubt,
    )
