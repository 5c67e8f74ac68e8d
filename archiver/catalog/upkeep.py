"""What keeps the catalog small: deltas of the counts are folded, what old walks saw is forgotten. Done in passing."""

from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load

_SQL: Final = load("upkeep")
_FOLDING: Final = 0x666F6C64  # "fold"
_FORGET_AT_ONCE: Final = 100_000


async def fold_counts(sessions: Sessions) -> None:
    """Fold the deltas of the counts by state, unless somebody else is at it."""
    async with sessions.transaction() as connection:
        if await connection.fetchval(_SQL["begin_folding"], _FOLDING):
            await connection.execute(_SQL["fold"])


async def forget_walks(sessions: Sessions) -> None:
    """Remove a bounded part of what walks saw that ended more than an hour ago."""
    async with sessions.connection() as connection:
        await connection.execute(_SQL["forget_seen"], _FORGET_AT_ONCE)
        await connection.execute(_SQL["forget_walks"])
