"""Readiness: whether the archive is fresh, and if not, why. Ready means that nothing is about to be lost unseen.

unarchived_age        a recording waits longer than max_unarchived_age
walk_age              a listing was not read to its end for max_walk_age
never_walked          a listing that is configured was never read at all
expiry_near           a recording that is not archived expires at the provider within EXPIRY_NEAR
account_failing       the provider refuses the account, or cannot be reached
catalog_unreachable, storage_unreachable, starting, draining
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from archiver.app.config.schema import OpsConfig
from archiver.app.daemon.vitals import Vitals
from archiver.model.account import AccountName
from archiver.model.errors import CatalogError
from archiver.ports.catalog import AccountStatus
from archiver.ports.statistics import Waiting

EXPIRY_NEAR: Final = timedelta(days=2)
"""A recording that the provider will delete so soon, and that is not archived, is an alarm."""

LOSING: Final = frozenset({"expiry_near"})
"""Reasons to fear that a recording is lost soon; the others are reasons to look before that."""

_OF_WAITING: Final = frozenset({"expiry_near", "unarchived_age"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the archive is not ready. ``seconds`` is what was measured, ``limit`` the bound that it broke; 0 where there
    is none. ``message`` says it to people."""

    account: AccountName | None
    code: str
    seconds: float
    limit: float
    message: str

    def as_json(self) -> Mapping[str, object]:
        """The reason as the contract has it, with the message beside it."""
        return {
            "account": self.account,
            "code": self.code,
            "seconds": round(self.seconds),
            "limit": round(self.limit),
            "message": self.message,
        }


def process_reasons(vitals: Vitals) -> Iterator[Reason]:
    """What this process knows of itself."""
    if vitals.is_draining:
        yield _plain("draining", "the daemon was told to stop, and finishes what runs")
    if not vitals.is_started and vitals.is_reached:
        yield _plain("starting", "catalog and storage were not reached yet")
    if vitals.catalog_trouble is not None:
        yield _plain("catalog_unreachable", vitals.catalog_trouble)
    if vitals.storage_trouble is not None:
        yield _plain("storage_unreachable", vitals.storage_trouble)


def unreachable(error: CatalogError) -> Reason:
    """The catalog does not answer now, though it did when the daemon last looked."""
    return _plain("catalog_unreachable", str(error))


def account_reasons(
    statuses: Sequence[AccountStatus], vitals: Vitals, bounds: OpsConfig, now: datetime
) -> Iterator[Reason]:
    """What the catalog and this process know of the accounts on duty."""
    known = {status.account: status for status in statuses}
    yield from trouble_reasons(vitals, now)
    for name, account in vitals.accounts.items():
        if name in known:
            yield from freshness(account.current(known[name]), bounds, now)
        walked = known[name].walks if name in known else {}
        missing = sorted(account.unread(walked))
        if not walked or missing:
            which = f"listing {', '.join(missing)}" if missing else "the account"
            message = f"{which} was not read yet"
            yield _bound(name, "never_walked", now - vitals.started_at, bounds.max_walk_age, message)


def explained(reasons: Iterable[Reason], waiting: Iterable[Waiting]) -> Iterator[Reason]:
    """The same reasons; those of recordings that wait name the most urgent one, and what went wrong with it last."""
    urgent: dict[AccountName | None, Waiting] = {}
    for one in waiting:
        urgent.setdefault(one.account, one)
    for reason in reasons:
        first = urgent.get(reason.account)
        if first is None or reason.code not in _OF_WAITING:
            yield reason
        else:
            why = first.error or ("the provider has no audio of it yet" if first.reason else "it was not tried yet")
            yield replace(reason, message=f"{reason.message}; the most urgent, {first.recording_id}: {why}")


def trouble_reasons(vitals: Vitals, now: datetime) -> Iterator[Reason]:
    """What this process knows of the accounts on duty, whatever the catalog says."""
    for name, account in vitals.accounts.items():
        if account.trouble is not None and account.trouble_since is not None:
            seconds = (now - account.trouble_since).total_seconds()
            message = f"{account.trouble.code}: {account.trouble}"
            yield Reason(account=name, code="account_failing", seconds=max(0, seconds), limit=0, message=message)


def freshness(status: AccountStatus, bounds: OpsConfig, now: datetime) -> Iterator[Reason]:
    """Which of the operator's bounds an account breaks."""
    oldest, expiry = status.oldest_unarchived_at, status.next_expiry_at
    if oldest is not None and now - oldest > bounds.max_unarchived_age:
        message = f"a recording waits since {oldest:%Y-%m-%d %H:%M} UTC; {status.backlog:,} wait in all"
        yield _bound(status.account, "unarchived_age", now - oldest, bounds.max_unarchived_age, message)
    if expiry is not None and expiry - now < EXPIRY_NEAR:
        verb = "was deleted by" if expiry < now else "is deleted by"
        message = f"a recording that is not archived {verb} the provider at {expiry:%Y-%m-%d %H:%M} UTC"
        yield _bound(status.account, "expiry_near", expiry - now, EXPIRY_NEAR, message)
    for listing, walk in status.walks.items():
        if walk.last_complete_at is None or now - walk.last_complete_at > bounds.max_walk_age:
            age = now - (walk.last_complete_at or walk.last_at or now)
            why = f": {walk.doubt}" if walk.doubt else ""
            since = f"since {walk.last_complete_at:%Y-%m-%d %H:%M} UTC" if walk.last_complete_at else "yet"
            message = f"listing {listing} was not read to its end {since}{why}"
            yield _bound(status.account, "walk_age", age, bounds.max_walk_age, message)


def _bound(account: AccountName, code: str, found: timedelta, limit: timedelta, message: str) -> Reason:
    return Reason(
        account=account, code=code, seconds=found.total_seconds(), limit=limit.total_seconds(), message=message
    )


def _plain(code: str, message: str) -> Reason:
    return Reason(account=None, code=code, seconds=0, limit=0, message=message)
