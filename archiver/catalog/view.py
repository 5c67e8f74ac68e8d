"""What is known, for people and scripts: ``View`` over PostgreSQL. It changes nothing."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load
from archiver.catalog.rows import storable, to_record
from archiver.model.account import AccountName
from archiver.model.listing import WalkId
from archiver.model.recording import ListingName, RecordingId, State
from archiver.ports.catalog import AccountStatus, Event, ListingStatus, Quarantined, Query, Record

_SQL: Final = load("view")
_AT_ONCE: Final = 500
_MALFORMED_SHOWN: Final = 3
_NEWEST: Final = datetime.max.replace(tzinfo=UTC)
_UNKNOWN: Final = datetime.min.replace(tzinfo=UTC)
"""The driver writes and reads the far ends of time as ``infinity`` and ``-infinity``."""
_BACKLOG: Final = (State.PENDING, State.DAMAGED)


class PostgresView:
    """The catalog as commands see it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def find(self, query: Query) -> AsyncIterator[Record]:
        """The recordings that a query selects, in portions; no connection is held while the caller is at one."""
        filters = (
            query.account,
            query.state,
            query.is_suspect,
            query.is_held,
            query.window.since,
            query.window.until,
            None if query.number is None else _digits(query.number),
        )
        place, left = (_NEWEST, 2**63 - 1), query.limit
        while left is None or left > 0:
            portion = _AT_ONCE if left is None else min(_AT_ONCE, left)
            rows = await self._sessions.fetch_anew(_SQL["find"], *filters, *place, portion)
            for row in rows:
                yield to_record(row)
            if len(rows) < portion:
                return
            place = (rows[-1]["started_at"] or _UNKNOWN, rows[-1]["id"])
            left = None if left is None else left - portion

    async def lookup(self, recording_id: str, account: AccountName | None) -> Sequence[Record]:
        """The recordings with this id, of one account or of all."""
        rows = await self._sessions.fetch_anew(_SQL["lookup"], storable(recording_id), account)
        return [to_record(row) for row in rows]

    async def history(self, row: int) -> Sequence[Event]:
        """What happened to a recording, oldest first."""
        rows = await self._sessions.fetch(_SQL["history"], row)
        return [Event(at=event["at"], name=event["name"], facts=event["facts"]) for event in rows]

    async def status(self) -> Sequence[AccountStatus]:
        """Every account that was ever enrolled, by name."""
        async with self._sessions.connection() as connection:
            accounts = await connection.fetch(_SQL["accounts"])
            counts = _by_account(await connection.fetch(_SQL["counts"]))
            listings = _by_account(await connection.fetch(_SQL["listings"]))
            malformed = _by_account(await connection.fetch(_SQL["malformed"], _MALFORMED_SHOWN))
        return [
            _to_status(account, counts[account["id"]], listings[account["id"]], malformed[account["id"]])
            for account in accounts
        ]

    async def walked(self, walks: Collection[WalkId]) -> int:
        """How many distinct recordings these walks listed together."""
        (row,) = await self._sessions.fetch_anew(_SQL["walked"], list(walks))
        return int(row[0])

    async def known(self, account: AccountName, ids: Collection[RecordingId]) -> frozenset[RecordingId]:
        """Which of these the catalog knows."""
        wanted = [name for name in ids if storable(name) == name]
        rows = await self._sessions.fetch_anew(_SQL["known"], account, wanted)
        return frozenset(RecordingId(row["recording_id"]) for row in rows)


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())


def _by_account(rows: Sequence[asyncpg.Record]) -> Mapping[int, Sequence[asyncpg.Record]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["account_id"]].append(row)
    return grouped


def _to_status(
    account: asyncpg.Record,
    counts: Sequence[asyncpg.Record],
    listings: Sequence[asyncpg.Record],
    malformed: Sequence[asyncpg.Record],
) -> AccountStatus:
    states = dict.fromkeys(State, 0) | {State(row["state"]): int(row["rows"]) for row in counts}
    return AccountStatus(
        account=AccountName(account["name"]),
        provider=account["provider"],
        states=states,
        stored_bytes=sum(row["bytes"] for row in counts),
        backlog=sum(states[state] for state in _BACKLOG),
        oldest_unarchived_at=account["oldest_unarchived_at"],
        next_expiry_at=account["next_expiry_at"],
        walks={ListingName(row["listing"]): _to_listing_status(row) for row in listings},
        suspects=account["suspects"],
        quarantined=account["quarantined"],
        malformed=[
            Quarantined(listing=ListingName(row["listing"]), reason=row["reason"], last_seen_at=row["last_seen_at"])
            for row in malformed
        ],
    )


def _to_listing_status(row: asyncpg.Record) -> ListingStatus:
    return ListingStatus(
        last_at=row["last_at"],
        last_complete_at=row["last_complete_at"],
        is_complete=row["doubt"] is None,
        doubt=row["doubt"],
    )
