"""Claims, leases and what became of them: ``Work`` over PostgreSQL.

A lease's id stays on its row until the next claim overwrites it. So an outcome finds out whether its lease was taken
over, and one that is settled again, since the answer got lost, is known for ours and changes nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from archiver.catalog.pool import Connection, Sessions
from archiver.catalog.queries import load
from archiver.catalog.rows import error_text, storable, to_claim
from archiver.catalog.upkeep import fold_counts
from archiver.model.account import AccountName
from archiver.model.outcome import Confirmed, Damaged, Failed, Outcome, Released, Retry, Stored, Verified, Wait
from archiver.model.recording import Claim, LeaseId
from archiver.ports.catalog import ClaimRequest, Outlook

_SQL: Final = load("work")
_FOLD_AFTER: Final = 2000
"""So many outcomes leave some thousand deltas of the counts, which are read with each status until they are folded."""


class PostgresWork:
    """The catalog as workers see it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._settled_since_folding = 0
        self._slots: dict[AccountName, int] = {}

    async def now(self) -> datetime:
        """The catalog's clock."""
        (row,) = await self._sessions.fetch(_SQL["now"])
        now: datetime = row[0]
        return now

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Take due recordings under new leases, the earliest-expiring first."""
        if request.slots is not None and self._slots.get(request.account, 0) < request.slots:
            await self._sessions.fetch(_SQL["lay_slots"], request.account, request.slots)
        rows = await self._sessions.fetch(
            _SQL["claim"],
            request.account,
            request.limit,
            request.lease,
            request.pass_started_at,
            request.max_attempts,
            request.covered.since,
            request.covered.until,
            request.due_only,
            request.slots,
        )
        if rows and request.slots is not None:
            self._slots[request.account] = max(request.slots, self._slots.get(request.account, 0))
        return [to_claim(row) for row in rows]

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        """Hold these for another ``lease`` from now; answers those that are still ours."""
        rows = await self._sessions.fetch(_SQL["renew"], list(leases), lease)
        return frozenset(LeaseId(row["lease_id"]) for row in rows)

    async def living(self, leases: Collection[LeaseId]) -> frozenset[LeaseId]:
        """Which of these leases hold a recording now."""
        rows = await self._sessions.fetch(_SQL["living"], list(leases))
        return frozenset(LeaseId(row["lease_id"]) for row in rows)

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Write what became of claims, in one transaction; answers the leases that were lost."""
        leases = [outcome.claim.lease for outcome in outcomes]
        over = [outcome.claim.lease for outcome in outcomes if not isinstance(outcome, Stored)]
        async with self._sessions.transaction() as connection:
            await connection.execute(_SQL["free_slots"], over)
            rows = await connection.fetch(_SQL["lock_claims"], leases)
            ours = {row["lease_id"] for row in rows}
            await _write(connection, [outcome for outcome in outcomes if outcome.claim.lease in ours])
        await self._fold_after(len(outcomes))
        return frozenset(leases) - ours

    async def _fold_after(self, settled: int) -> None:
        self._settled_since_folding += settled
        if self._settled_since_folding >= _FOLD_AFTER:
            self._settled_since_folding = 0
            await fold_counts(self._sessions)

    async def outlook(self, request: ClaimRequest) -> Outlook:
        """What is left to do, under the same conditions as a claim."""
        (row,) = await self._sessions.fetch_anew(
            _SQL["outlook"],
            request.account,
            request.pass_started_at,
            request.max_attempts,
            request.covered.since,
            request.covered.until,
            request.due_only,
        )
        return Outlook(**row)


async def _write(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Write outcomes of claims that are ours and locked, a statement for each kind."""
    kinds: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
    for outcome in outcomes:
        kinds[type(outcome).__name__.lower()].append((outcome.claim.row, *_facts(outcome)))
    for kind, rows in kinds.items():
        columns = (list(column) for column in zip(*rows, strict=True))
        await connection.execute(_SQL[f"settle_{kind}"], *columns)


def _facts(outcome: Outcome) -> tuple[object, ...]:
    """What is written of an outcome: the parameters of its statement behind the row."""
    facts: tuple[object, ...]
    match outcome:
        case Stored(kept=kept, suspect=suspect):
            doubt = None if suspect is None else error_text(suspect)
            facts = (kept.key, kept.format, kept.size_bytes, kept.digest, storable(kept.storage_url), doubt)
        case Verified(method=method):
            facts = (method,)
        case Retry(error=error, delay=delay, is_missing=is_missing, refused=refused):
            facts = (error_text(error), delay, is_missing, refused)
        case Damaged(error=error, delay=delay) | Wait(error=error, delay=delay):
            facts = (error_text(error), delay)
        case Failed(error=text) | Confirmed(suspect=text):
            facts = (error_text(text),)
        case Released():
            facts = ()
        case _:
            assert_never(outcome)
    return facts
