"""Looking after what is kept: ``Custody`` over PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load
from archiver.catalog.rows import to_claim
from archiver.model.account import AccountName
from archiver.model.recording import Claim
from archiver.ports.catalog import KeptRequest

_SQL: Final = load("custody")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""The driver writes the far end of time as ``-infinity``."""


class PostgresCustody:
    """The catalog as those see it who look after what is kept."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def claim_kept(self, request: KeptRequest) -> Sequence[Claim]:
        """Take copies to read back, those first that were not read for the longest time."""
        place = (request.behind.verified_at or _NEVER, request.behind.row) if request.behind else (_NEVER, 0)
        chosen = _chosen(request)
        rows = await self._sessions.fetch_anew(_SQL["claim_kept"], *chosen, *place, request.limit, request.lease)
        return [to_claim(row) for row in rows]

    async def count_kept(self, request: KeptRequest) -> int:
        """How many copies there are to read back."""
        (row,) = await self._sessions.fetch_anew(_SQL["count_kept"], *_chosen(request))
        return int(row[0])

    async def reopen(self, account: AccountName, rows: Collection[int] | None) -> int:
        """Make failed, damaged and waiting recordings due now; answers how many."""
        (row,) = await self._sessions.fetch_anew(_SQL["reopen"], account, None if rows is None else list(rows))
        return int(row[0])


def _chosen(request: KeptRequest) -> tuple[object, ...]:
    return request.account, None if request.rows is None else list(request.rows), request.not_since
