"""What the status page asks of the catalog beside ``View``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from archiver.model.account import AccountName
from archiver.model.recording import RecordingId, State


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


class Statistics(Protocol):
    """Figures over all accounts and processes. Each may raise ``CatalogUnavailable`` and ``CatalogError``."""

    async def throughput(self, window: timedelta) -> Sequence[Hour]:
        """What was stored in the hours of the latest ``window``, the oldest first; hours without anything included."""

    async def troubled(self, limit: int) -> Sequence[Troubled]:
        """The latest recordings of each account that failed, are damaged or suspect: ``limit`` of each kind."""
