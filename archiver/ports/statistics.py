"""What the status page asks of the catalog beside ``View``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from archiver.model.account import AccountName
from archiver.model.recording import Reason, RecordingId, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What was stored in the hour that begins at ``begins_at``: objects and their bytes, of all accounts."""

    begins_at: datetime
    count: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """A recording that somebody should look at: failed, damaged or suspect, and why."""

    account: AccountName
    recording_id: RecordingId
    state: State
    is_suspect: bool
    reason: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A recording that is not archived yet: until when the provider keeps it, and what went wrong with it last."""

    account: AccountName
    recording_id: RecordingId
    reason: Reason | None
    error: str | None
    attempts: int
    first_seen_at: datetime
    next_attempt_at: datetime | None
    expires_at: datetime | None


class Statistics(Protocol):
    """Figures over all accounts and processes. Each may raise ``CatalogUnavailable`` and ``CatalogError``."""

    async def throughput(self, window: timedelta) -> Sequence[Hour]:
        """What was stored in the hours of the latest ``window``, the oldest first; hours without anything included."""

    async def troubled(self, limit: int) -> Sequence[Troubled]:
        """The latest recordings of each account that failed, are damaged or suspect: ``limit`` of each kind."""

    async def waiting(self, limit: int) -> Sequence[Waiting]:
        """The most urgent recordings of each account that are not archived, the first to expire at the provider first:
        ``limit`` of each account."""
