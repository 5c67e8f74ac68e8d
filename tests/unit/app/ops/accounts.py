"""Statuses and vitals to judge."""

from datetime import UTC, datetime, timedelta
from typing import Any

from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.model.account import AccountName
from archiver.model.recording import ListingName, RecordingId, State
from archiver.ports.catalog import AccountStatus, ListingStatus
from archiver.ports.statistics import Waiting

ACME = AccountName("acme")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RECORDINGS = ListingName("recordings")


def make_walk(age: timedelta | None = timedelta(minutes=5), doubt: str | None = None) -> ListingStatus:
    """A listing that was read to its end so long ago; None: never."""
    return ListingStatus(
        last_at=NOW, last_complete_at=None if age is None else NOW - age, is_complete=doubt is None, doubt=doubt
    )


def make_status(**changes: Any) -> AccountStatus:
    """A fresh account."""
    facts: dict[str, Any] = {
        "account": ACME,
        "provider": "vobiz",
        "states": {**dict.fromkeys(State, 0), State.VERIFIED: 7},
        "stored_bytes": 1000,
        "backlog": 0,
        "oldest_unarchived_at": None,
        "next_expiry_at": None,
        "walks": {RECORDINGS: make_walk()},
        "suspects": 0,
        "quarantined": 0,
        "malformed": (),
    }
    return AccountStatus(**facts | changes)


def make_vitals(**changes: Any) -> Vitals:
    """A daemon with one account, both well."""
    return Vitals(
        started_at=NOW - timedelta(hours=1),
        is_started=True,
        accounts={ACME: AccountVitals(name=ACME, provider="vobiz", **changes)},
    )


def make_waiting(**changes: Any) -> Waiting:
    """A recording of the account that is due."""
    facts: dict[str, Any] = {
        "account": ACME,
        "recording_id": RecordingId("r1"),
        "reason": None,
        "error": None,
        "attempts": 0,
        "first_seen_at": NOW,
        "next_attempt_at": None,
        "expires_at": None,
    }
    return Waiting(**facts | changes)
