"""What operators were told: ``NoticeBoard`` over PostgreSQL."""

from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load

_SQL: Final = load("notices")


class PostgresNoticeBoard:
    """Remembers what operators were told last."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def tell(self, subject: str, state: str | None, amount: int = 0) -> bool:
        """Note a state; True for the one caller for whom it is news."""
        if state is None:
            return bool(await self._sessions.fetch(_SQL["tell_fine"], subject))
        return bool(await self._sessions.fetch(_SQL["tell"], subject, state, amount))
