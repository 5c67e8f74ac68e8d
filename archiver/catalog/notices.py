"""What operators were told: ``NoticeBoard`` over PostgreSQL."""

from datetime import timedelta
from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load
from archiver.ports.notices import Standing

_SQL: Final = load("notices")
_FINE: Final = ""


class PostgresNoticeBoard:
    """Remembers what operators were told last, and which notices are still to be delivered."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def tell(self, standing: Standing, lease: timedelta) -> str | None:
        """Note how a subject stands; the id of a notice for the one caller who has to deliver it."""
        state = standing.state or _FINE
        rows = await self._sessions.fetch(
            _SQL["tell"], standing.subject, state, standing.amount, standing.proven_at, lease
        )
        return str(rows[0]["notice"]) if rows else None

    async def delivered(self, subject: str, notice: str) -> None:
        """A notice arrived; nobody else need deliver it."""
        await self._sessions.fetch(_SQL["delivered"], subject, notice)
