"""What is worth a notice: a pure look at the catalog's status and this process's vitals.

Every subject has a state while something is wrong with it, and none when it is fine; a notice is a change of state,
or more of the same (damage, suspects).

All subjects but one are read from the catalog, so every process says the same of them. Only an account's trouble is
known where it occurs: each scheduled walk is one host's, and a process that was just started had none yet. That a
process knows of no trouble is therefore no recovery; a walk that read every listing to its end is, whoever did it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.app.ops.readiness import EXPIRY_NEAR
from archiver.model.account import AccountName
from archiver.model.recording import State
from archiver.ports.catalog import AccountStatus
from archiver.ports.notices import Standing

STAYS_INCOMPLETE: Final = 2
"""A listing is told of when it was not read to its end for so many of the operator's ``max_walk_age``."""


class Kind(StrEnum):
    """What a notice is about; ``…_over`` says that it is fine again."""

    ACCOUNT_FAILING = "account_failing"
    EXPIRY_NEAR = "expiry_near"
    DAMAGE = "damage"
    SUSPECTS = "suspects"
    WALK_INCOMPLETE = "walk_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The state of a subject: None when it is fine, as was seen at ``proven_at``. ``amount`` is how much of it there
    is; ``summary`` says it in a sentence, ``facts`` in figures."""

    kind: Kind
    account: AccountName
    subject: str
    state: str | None
    summary: str
    amount: int = 0
    proven_at: datetime | None = None
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def standing(self) -> Standing:
        """What the board is told of it."""
        return Standing(subject=self.subject, state=self.state, amount=self.amount, proven_at=self.proven_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When something is worth a notice: after ``failing_intervals`` scheduled walks that failed; ``max_walk_age``."""

    failing_intervals: int
    max_walk_age: timedelta


def findings(statuses: Sequence[AccountStatus], vitals: Vitals, bounds: Bounds, now: datetime) -> Iterator[Finding]:
    """The state of every subject of the accounts on duty."""
    known = {status.account: status for status in statuses}
    for name, account in vitals.accounts.items():
        yield from _failing(account, known.get(name), bounds)
        if name in known:
            yield _expiry(known[name], now)
            yield _damage(known[name])
            yield _suspects(known[name])
            yield from _incomplete(account.current(known[name]), bounds, now)


def _failing(account: AccountVitals, status: AccountStatus | None, bounds: Bounds) -> Iterator[Finding]:
    trouble = account.trouble
    proven_at = _read_at(account, status) if trouble is None and status is not None else None
    if proven_at is None and (trouble is None or account.failed_intervals < bounds.failing_intervals):
        return  # neither known to be fine nor worth a notice yet
    facts: dict[str, object] = {}
    summary = f"account {account.name} works again"
    if trouble is not None:
        facts = {"code": trouble.code, "error": str(trouble), "fix": trouble.fix, "intervals": account.failed_intervals}
        summary = f"account {account.name} failed {account.failed_intervals} times in a row: {trouble}"
    state = "failing" if trouble is not None else None
    yield Finding(
        kind=Kind.ACCOUNT_FAILING,
        account=account.name,
        subject=f"{account.name} failing",
        state=state,
        proven_at=proven_at,
        summary=summary,
        facts=facts,
    )


def _read_at(account: AccountVitals, status: AccountStatus) -> datetime | None:
    """Since when every listing of an account is read to its end, by whichever process; None while one never was."""
    return None if account.unread(status.walks) else account.read_at(status)


def _expiry(status: AccountStatus, now: datetime) -> Finding:
    expiry = status.next_expiry_at
    is_near = expiry is not None and expiry - now < EXPIRY_NEAR
    facts: dict[str, object] = {"next_expiry_at": expiry.isoformat() if expiry else None, "backlog": status.backlog}
    summary = f"account {status.account}: nothing unarchived is near its deletion by the provider any more"
    if is_near and expiry is not None:
        summary = (
            f"account {status.account}: a recording that is not archived is deleted by the provider at "
            f"{expiry:%Y-%m-%d %H:%M} UTC; {status.backlog:,} wait"
        )
    subject = f"{status.account} expiry"
    state = "near" if is_near else None
    return Finding(
        kind=Kind.EXPIRY_NEAR, account=status.account, subject=subject, state=state, summary=summary, facts=facts
    )


def _damage(status: AccountStatus) -> Finding:
    count = status.states.get(State.DAMAGED, 0)
    summary = f"account {status.account}: verification found {count:,} stored recordings damaged or missing"
    return Finding(
        kind=Kind.DAMAGE,
        account=status.account,
        subject=f"{status.account} damage",
        state="some" if count else None,
        amount=count,
        summary=summary if count else f"account {status.account}: what was damaged is healed",
        facts={"damaged": count},
    )


def _suspects(status: AccountStatus) -> Finding:
    count = status.suspects
    summary = f"account {status.account}: {count:,} stored recordings may not be the call"
    return Finding(
        kind=Kind.SUSPECTS,
        account=status.account,
        subject=f"{status.account} suspects",
        state="some" if count else None,
        amount=count,
        summary=summary if count else f"account {status.account}: no recording is suspect any more",
        facts={"suspects": count},
    )


def _incomplete(status: AccountStatus, bounds: Bounds, now: datetime) -> Iterator[Finding]:
    for listing, walk in status.walks.items():
        last = walk.last_complete_at
        is_stale = not walk.is_complete and (last is None or now - last > STAYS_INCOMPLETE * bounds.max_walk_age)
        summary = f"account {status.account}: listing {listing} is read to its end again"
        if is_stale:
            since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "so far"
            summary = f"account {status.account}: listing {listing} was not read to its end {since}: {walk.doubt}"
        yield Finding(
            kind=Kind.WALK_INCOMPLETE,
            account=status.account,
            subject=f"{status.account} walk {listing}",
            state="incomplete" if is_stale else None,
            summary=summary,
            facts={"listing": listing, "reason": walk.doubt, "last_complete_at": last.isoformat() if last else None},
        )
