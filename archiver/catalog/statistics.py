"""Figures for the status page: ``Statistics`` over PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load
from archiver.model.account import AccountName
from archiver.model.recording import Reason, RecordingId, State
from archiver.ports.statistics import Hour, Troubled, Waiting

_SQL: Final = load("statistics")


class PostgresStatistics:
    """Figures over all accounts and processes."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def throughput(self, window: timedelta) -> Sequence[Hour]:
        """What was stored in the hours of the latest ``window``."""
        rows = await self._sessions.fetch_anew(_SQL["throughput"], window)
        return [Hour(**row) for row in rows]

    async def troubled(self, limit: int) -> Sequence[Troubled]:
        """The latest recordings of each account that somebody should look at."""
        rows = await self._sessions.fetch_anew(_SQL["troubled"], limit)
        return [
            Troubled(
                account=AccountName(row["account"]),
                recording_id=RecordingId(row["recording_id"]),
                state=State(row["state"]),
                is_suspect=row["is_suspect"],
                reason=row["reason"],
                started_at=row["started_at"],
            )
            for row in rows
        ]

    async def waiting(self, limit: int) -> Sequence[Waiting]:
        """The most urgent recordings of each account that are not archived."""
        rows = await self._sessions.fetch_anew(_SQL["waiting"], limit)
        return [
            Waiting(
                account=AccountName(row["account"]),
                recording_id=RecordingId(row["recording_id"]),
                reason=Reason(row["reason"]) if row["reason"] else None,
                error=row["error"],
                attempts=row["attempts"],
                first_seen_at=row["first_seen_at"],
                next_attempt_at=row["next_attempt_at"],
                expires_at=row["expires_at"],
            )
            for row in rows
        ]
