"""A recording in the fake catalog, and what outcomes, claims and queries make of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from archiver.model.account import AccountName
from archiver.model.objects import Digest, StoredObject
from archiver.model.outcome import Confirmed, Damaged, Failed, Outcome, Released, Retry, Stored, Verified, Wait
from archiver.model.recording import LeaseId, Listed, Reason, State, may_follow
from archiver.ports.catalog import ClaimRequest, Event, Query, Record

WORK: Final = frozenset({State.PENDING, State.DAMAGED, State.STORED})


@dataclass(slots=True, kw_only=True)
class Row:
    """A recording, as a row of the real catalog holds it."""

    number: int
    account: AccountName
    listed: Listed
    first_seen_at: datetime
    state: State = State.PENDING
    reason: Reason | None = None
    kept: StoredObject | None = None
    attempts: int = 0
    attempts_in_pass: int = 0
    pass_started_at: datetime | None = None
    next_attempt_at: datetime | None = None
    error: str | None = None
    is_denied: bool = False
    lease: LeaseId | None = None
    leased_until: datetime | None = None
    has_slot: bool = False
    stored_at: datetime | None = None
    verified_at: datetime | None = None
    verified_by: str | None = None
    remote_missing_at: datetime | None = None
    suspect: str | None = None
    is_recheck_due: bool = False
    refused: Digest | None = None
    events: list[Event] = field(default_factory=list)

    def note(self, at: datetime, name: str, **facts: object) -> None:
        self.events.append(Event(at=at, name=name, facts=facts))

    def become(self, state: State, at: datetime) -> None:
        self.state, self.reason, self.next_attempt_at = state, None, None
        self.note(at, state)

    @property
    def is_work(self) -> bool:
        """Whether a pass has something to do for it."""
        return self.state in WORK or self.is_recheck_due

    def is_leased(self, now: datetime) -> bool:
        return self.leased_until is not None and self.leased_until > now

    def is_due(self, now: datetime) -> bool:
        return self.next_attempt_at is None or self.next_attempt_at <= now

    def is_expired(self, now: datetime) -> bool:
        return self.listed.expires_at is not None and self.listed.expires_at <= now

    def has_turn(self, request: ClaimRequest) -> bool:
        """Whether the pass has not taken it yet."""
        return self.pass_started_at is None or self.pass_started_at < request.pass_started_at

    def is_claimable(self, request: ClaimRequest, now: datetime) -> bool:
        if not self.is_work or self.is_leased(now):
            return False
        if self.pass_started_at is None or (self.has_turn(request) and not request.due_only):
            return True
        return self.is_due(now) and (self.has_turn(request) or self.has_attempts(request))

    def has_attempts(self, request: ClaimRequest) -> bool:
        """Whether it may come again in a pass that had it already."""
        return self.attempts_in_pass < request.max_attempts and self.reason is not Reason.NOT_READY

    def goes_on(self, request: ClaimRequest) -> bool:
        """Whether it uses the attempts up that it has left of a former pass."""
        return request.due_only and 0 < self.attempts_in_pass < request.max_attempts

    def comes_again(self, request: ClaimRequest) -> bool:
        """Whether the pass takes it as soon as it is due, and not before."""
        if self.has_turn(request):
            return request.due_only and self.pass_started_at is not None
        return self.has_attempts(request)

    def bury_if_gone(self, at: datetime) -> None:
        if self.is_denied and self.remote_missing_at and self.state is State.PENDING:
            self.become(State.GONE, at)

    def settle(self, outcome: Outcome, now: datetime) -> None:
        """Write what became of a claim. All but ``Stored`` end the lease."""
        match outcome:
            case Stored(kept=kept, suspect=suspect):
                self._keep(kept, suspect, now)
                return
            case Verified(method=method):
                self.become(State.VERIFIED, now)
                self.verified_at, self.verified_by, self.attempts, self.error = now, method, 0, None
            case Damaged(error=error, delay=delay):
                self.become(State.DAMAGED, now)
                self.verified_at = None
                self._wait(error, now, delay, uses_attempt=True)
            case Retry(error=error, delay=delay, is_missing=is_missing, refused=refused):
                agrees = self.attempts_in_pass == 0 or self.refused == refused
                self.refused = refused if agrees else None
                self._wait(error, now, delay, uses_attempt=True)
                self.is_denied = self.is_denied or is_missing
                self.bury_if_gone(now)
            case Wait(error=error, delay=delay):
                self._wait(error, now, delay, uses_attempt=False)
            case Failed(error=error):
                self._wait(error, now, timedelta(0), uses_attempt=True)
                if may_follow(self.state, State.FAILED):
                    self.become(State.FAILED, now)
            case Confirmed(suspect=suspect):
                self.suspect, self.is_recheck_due, self.refused = suspect, False, None
                self.attempts, self.error, self.next_attempt_at = 0, None, None
                self.note(now, "confirmed", suspect=suspect)
            case Released():
                self.next_attempt_at = None
            case _:
                assert_never(outcome)
        self.lease = self.leased_until = None

    def _keep(self, kept: StoredObject, suspect: str | None, now: datetime) -> None:
        if self.state is State.STORED:
            return
        is_new = self.kept is None or self.kept.digest != kept.digest
        self.is_recheck_due = suspect is not None and (self.is_recheck_due or is_new)
        self.attempts_in_pass += self.is_recheck_due
        self.suspect, self.refused = suspect, None
        self.become(State.STORED, now)
        self.stored_at = now
        self.kept = replace(kept, key=self.kept.key) if self.kept else kept

    def _wait(self, error: str, now: datetime, delay: timedelta, *, uses_attempt: bool) -> None:
        self.error, self.next_attempt_at = error, now + delay
        self.attempts += uses_attempt
        self.attempts_in_pass += uses_attempt
        if self.state is State.PENDING:
            self.reason = Reason.RETRY if uses_attempt else Reason.NOT_READY
        self.note(now, "attempted", error=error)

    def reopen(self, at: datetime, *, is_named: bool) -> bool:
        """Make it due now; answers whether there was anything to reopen."""
        is_suspect = is_named and self.state is State.VERIFIED and self.suspect is not None
        is_waiting = self.state is State.PENDING and (self.reason or self.next_attempt_at)
        if not (is_suspect or is_waiting or self.state in {State.DAMAGED, State.FAILED}):
            return False
        self.is_recheck_due = self.is_recheck_due or is_suspect
        self.state = State.PENDING if self.state is State.FAILED else self.state
        self.reason = self.next_attempt_at = self.pass_started_at = self.refused = None
        self.note(at, "reopened")
        return True

    def show(self, provider: str) -> Record:
        """The row as commands see it."""
        kept = self.kept
        return Record(
            row=self.number,
            account=self.account,
            provider=provider,
            listed=self.listed,
            state=self.state,
            reason=self.reason,
            suspect=self.suspect,
            is_held=False,
            first_seen_at=self.first_seen_at,
            format=kept.format if kept else None,
            size_bytes=kept.size_bytes if kept else None,
            digest=kept.digest if kept else None,
            key=kept.key if kept else None,
            storage_url=kept.storage_url if kept else None,
            attempts=self.attempts,
            next_attempt_at=self.next_attempt_at,
            error=self.error,
            stored_at=self.stored_at,
            verified_at=self.verified_at,
            verified_by=self.verified_by,
            remote_missing_at=self.remote_missing_at,
            remote_deleted_at=None,
        )


def next_due_in(rows: Iterable[Row], now: datetime) -> timedelta | None:
    """The time until the first of these is due; zero when one already is."""
    due = [row.next_attempt_at - now for row in rows if row.next_attempt_at is not None]
    return max(min(due), timedelta(0)) if due else None


def selects(query: Query, record: Record) -> bool:
    """Whether a query shows this record."""
    parties = [digits(record.listed.from_number), digits(record.listed.to_number)]
    return (
        query.account in {None, record.account}
        and query.state in {None, record.state}
        and query.is_suspect in {None, record.suspect is not None}
        and query.is_held in {None, record.is_held}
        and query.window.covers(record.listed.started_at)
        and (query.number is None or any(is_number(party, digits(query.number)) for party in parties))
    )


def is_number(party: str, wanted: str) -> bool:
    """Whether a party's digits are these, or end in these when they are six or more."""
    return party == wanted or (len(wanted) >= 6 and party.endswith(wanted))


def digits(number: str | None) -> str:
    """A telephone number without all that people write around its digits."""
    return "".join(character for character in number or "" if character.isdigit())
