"""Walks and their pages: ``Intake`` over PostgreSQL.

A page is compared first, and only what differs is sent and written: a walk over a million known recordings moves ids
and fingerprints, locks no recording, and writes none.
"""

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import asyncpg

from archiver.catalog.listening import WORK
from archiver.catalog.pool import SCAN_WITHIN, Connection, Sessions
from archiver.catalog.queries import load
from archiver.catalog.rows import error_text, listed_fields, sort_out, storable, to_json, to_report
from archiver.catalog.upkeep import fold_counts, forget_walks
from archiver.model.account import AccountName
from archiver.model.errors import CatalogError, ConfigError, Held, LeaseLost
from archiver.model.listing import Checkpoint, Cursor, Order, Walk, WalkId, WalkKind, WalkReport, Window
from archiver.model.recording import Listed, Malformed, RecordingId
from archiver.ports.catalog import PageIntake, Recorded, WalkRequest

_SQL: Final = load("intake")


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A page, sorted out. ``rows`` has each recording once, in order; ``keys`` is what the walk came past, in order:
    an id or a fingerprint, whether it is malformed, whether it counts as listed."""

    rows: Sequence[Listed]
    malformed: Sequence[Malformed]
    keys: Sequence[tuple[str, bool, bool]]
    checkpoint: Checkpoint
    excluded: Collection[RecordingId]

    @property
    def digest(self) -> bytes:
        """What tells a repeat of a page from the next one: its checkpoint and all that it showed."""
        text = repr((self.checkpoint, self.keys))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    def as_json(self, rows: Sequence[Listed]) -> str:
        """Some of the rows as the statements read them."""
        return to_json([listed_fields(row, is_excluded=row.recording_id in self.excluded) for row in rows])


def _sort_out(page: PageIntake) -> _Sorted:
    rows, malformed = sort_out(page.rows, page.malformed)
    keys = {(storable(name), False): False for name in page.passed}
    keys |= {(row.recording_id, False): True for row in rows}
    keys |= {(row.fingerprint.hex(), True): False for row in malformed}
    return _Sorted(
        rows=rows,
        malformed=malformed,
        keys=[(key, is_malformed, is_listed) for (key, is_malformed), is_listed in sorted(keys.items())],
        checkpoint=page.checkpoint,
        excluded=frozenset(page.excluded),
    )


class PostgresIntake:
    """The catalog as walks see it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        # Pages whose commit is not known. A repeat of one is answered as it was the first time; the same page shown
        # once more by a listing that goes round in circles is not.
        self._unsure: dict[WalkId, PageIntake] = {}

    async def enrol(self, account: AccountName, provider: str, real_id: str) -> None:
        """Remember who an account is. Raises: ConfigError when its name stood for another one before."""
        async with self._sessions.connection() as connection:
            await connection.execute(_SQL["enrol"], account, provider, real_id)
            known = await _account(connection, account)
        if (known["provider"], known["real_id"]) != (provider, real_id):
            raise ConfigError(
                f"account {account} was {known['real_id']} at {known['provider']} before; "
                f"it cannot become {real_id} at {provider}",
                key=f"accounts.{account}",
                account=account,
                fix="give the other account a name of its own",
            )

    async def begin_walk(self, request: WalkRequest) -> Walk:
        """Begin a walk, or resume an interrupted one. Raises: Held."""
        await forget_walks(self._sessions)
        await fold_counts(self._sessions)
        async with self._sessions.transaction(plans_anew=True) as connection:
            account = (await _account(connection, request.account))["id"]
            if request.is_exclusive:
                await _refuse_held(connection, account, request)
            if request.kind is WalkKind.INCREMENTAL:
                walk = await _begin_upon(connection, account, request)
                if walk is not None:
                    return walk
                request = replace(request, kind=WalkKind.FULL)
            return await _resume(connection, account, request) or await _begin(connection, account, request)

    async def record(self, walk: WalkId, page: PageIntake) -> Recorded:
        """Record a page's rows and its checkpoint, in one transaction.

        Raises: LeaseLost when the walk has ended: another process went on with it.
        """
        is_repeat = self._unsure.get(walk) is page
        self._unsure[walk] = page
        recorded = await self._record(walk, _sort_out(page), is_repeat=is_repeat)
        self._unsure.pop(walk, None)
        if recorded.new:  # outside the transaction: a notification locks the whole database at its commit
            with suppress(CatalogError):
                await self._sessions.fetch(_SQL["tell_of_work"], walk, WORK)
        return recorded

    async def _record(self, walk: WalkId, page: _Sorted, *, is_repeat: bool) -> Recorded:
        async with self._sessions.transaction(plans_anew=True) as connection:
            it = await _lock_walk(connection, walk)
            if it["ended_at"] is not None:
                raise LeaseLost(f"walk {walk} over {it['listing']} has ended: another process went on with it")
            if is_repeat and it["last_page"] == page.digest:
                return Recorded(fresh=it["last_fresh"], new=it["last_new"], seen=it["seen"])
            new = await _write(connection, it, page)
            first, again = await _see(connection, walk, page)
            recorded = Recorded(fresh=first + again, new=new, seen=it["seen"] + first)
            await connection.execute(
                _SQL["advance_walk"],
                walk,
                page.checkpoint.cursor,
                page.checkpoint.round,
                page.checkpoint.least_total,
                page.checkpoint.trace,
                page.digest,
                recorded.seen,
                recorded.fresh,
                recorded.new,
            )
            return recorded

    async def renew_walk(self, walk: WalkId, lease: timedelta) -> None:
        """Hold a walk for another ``lease`` from now. One that has ended needs none."""
        await self._sessions.fetch(_SQL["hold_walk"], walk, lease)

    async def end_walk(self, walk: WalkId, doubt: str | None, order: Order = Order.NONE) -> WalkReport:
        """End a walk, and note what a complete full one did not see and which order it proved."""
        self._unsure.pop(walk, None)
        async with self._sessions.transaction(plans_anew=True) as connection:
            it = await _lock_walk(connection, walk)
            if it["ended_at"] is not None:
                return to_report(it)
            if doubt is None and it["kind"] == WalkKind.FULL:
                doubt = await _note_missing(connection, walk)
            text = None if doubt is None else error_text(doubt)
            report = to_report(
                await _one(connection, _SQL["end_walk"], walk, text, order, timeout=SCAN_WITHIN.total_seconds())
            )
        await fold_counts(self._sessions)
        return report

    async def release_walk(self, walk: WalkId) -> None:
        """Give an unfinished walk back."""
        self._unsure.pop(walk, None)
        await self._sessions.fetch(_SQL["release_walk"], walk)


async def _one(connection: Connection, query: str, *arguments: object, timeout: float | None = None) -> asyncpg.Record:
    row = await connection.fetchrow(query, *arguments, timeout=timeout)
    assert row is not None  # an INSERT or UPDATE of one row that is there
    return row


async def _refuse_held(connection: Connection, account: int, request: WalkRequest) -> None:
    """Raises: Held when somebody holds another walk over the listing. Exclusive walks of an account begin in turn."""
    await connection.execute(_SQL["lock_account"], account)
    rest: timedelta | None = await connection.fetchval(_SQL["held_walk"], account, request.listing.name)
    if rest is not None:
        raise Held(f"{request.account}: somebody else walks {request.listing.name}", rest)


async def _account(connection: Connection, name: AccountName) -> asyncpg.Record:
    row = await connection.fetchrow(_SQL["account"], name)
    if row is None:
        raise CatalogError(f"account {name} is not enrolled in the catalog", account=name)
    return row


async def _lock_walk(connection: Connection, walk: WalkId) -> asyncpg.Record:
    row = await connection.fetchrow(_SQL["lock_walk"], walk)
    if row is None:
        raise CatalogError(f"the catalog knows no walk {walk}")
    return row


async def _begin_upon(connection: Connection, account: int, request: WalkRequest) -> Walk | None:
    """Begin an incremental walk upon what complete ones cover; None when there are none."""
    stand = await _one(connection, _SQL["stand"], account, request.listing.name, request.window.since)
    if stand["watermark"] is None:
        return None
    walk = await _begin(connection, account, request)
    return replace(walk, watermark=stand["watermark"], order=Order(stand["proven_order"] or Order.NONE))


async def _resume(connection: Connection, account: int, request: WalkRequest) -> Walk | None:
    if request.kind is not WalkKind.FULL:
        return None
    row = await connection.fetchrow(_SQL["resumable_walk"], account, request.listing.name, request.resume_within)
    if row is None or not await _is_whole(connection, row["id"]):
        return None
    await connection.execute(_SQL["hold_walk"], row["id"], request.lease)
    cursor = None if row["cursor"] is None else Cursor(row["cursor"])
    return Walk(
        id=WalkId(row["id"]),
        listing=request.listing,
        kind=request.kind,
        window=Window(row["since"], row["until"]),
        checkpoint=Checkpoint(cursor=cursor, round=row["round"], least_total=row["least_total"], trace=row["trace"]),
        started_at=row["started_at"],
        is_resumed=True,
    )


async def _begin(connection: Connection, account: int, request: WalkRequest) -> Walk:
    listing, kind, window = request.listing, request.kind, request.window
    await connection.execute(_SQL["end_interrupted"], account, listing.name, kind)
    bounds = (window.since, window.until)
    row = await _one(connection, _SQL["begin_walk"], account, listing.name, kind, *bounds, request.lease, request.lag)
    return Walk(
        id=WalkId(row["id"]),
        listing=listing,
        kind=kind,
        window=window,
        checkpoint=Checkpoint(),
        started_at=row["started_at"],
        is_resumed=False,
    )


async def _write(connection: Connection, walk: asyncpg.Record, page: _Sorted) -> int:
    """Write what differs from the catalog; answers how many recordings are new to it."""
    account, is_full, rows = walk["account_id"], walk["kind"] == WalkKind.FULL, page.rows
    excluded = [row.recording_id in page.excluded for row in rows]
    differing = await connection.fetch(
        _SQL["compare"],
        account,
        [row.recording_id for row in rows],
        [row.fingerprint for row in rows],
        [row.is_ready for row in rows],
        excluded,
        is_full,
    )
    await _quarantine(connection, account, page.malformed)
    unknown = [rows[at["place"]] for at in differing if not at["is_known"]]
    changed = [rows[at["place"]] for at in differing if at["is_changed"]]
    known = [(rows[at["place"]].recording_id, excluded[at["place"]]) for at in differing if at["is_known"]]
    if known:
        ids, verdicts = zip(*known, strict=True)
        await connection.execute(_SQL["lock_recordings"], account, ids)
        if changed:
            await connection.execute(_SQL["rewrite_recordings"], account, page.as_json(changed))
        await connection.execute(_SQL["relist_recordings"], account, ids, verdicts, is_full)
    if not unknown:
        return 0
    return int((await _one(connection, _SQL["insert_recordings"], account, page.as_json(unknown)))[0])


async def _quarantine(connection: Connection, account: int, malformed: Sequence[Malformed]) -> None:
    if malformed:
        await connection.execute(
            _SQL["quarantine"],
            account,
            [row.listing for row in malformed],
            [row.fingerprint for row in malformed],
            [error_text(row.reason) for row in malformed],
            [storable(row.document) for row in malformed],
        )


async def _see(connection: Connection, walk: WalkId, page: _Sorted) -> tuple[int, int]:
    """Note what the walk came past; answers how much is new to the walk, and how much more only to the round."""
    columns = [[key[field] for key in page.keys] for field in range(3)]
    row = await _one(connection, _SQL["see"], walk, *columns, page.checkpoint.round)
    return row["first"], row["again"]


async def _note_missing(connection: Connection, walk: WalkId) -> str | None:
    """Note what a complete full walk did not see; answers the doubt when that cannot be believed."""
    if not await _is_whole(connection, walk):
        return "the catalog's server crashed during the walk and forgot what it had seen"
    row = await _one(connection, _SQL["note_missing"], walk, timeout=SCAN_WITHIN.total_seconds())
    if row["is_too_many"]:
        return f"{row['at_once']} of {row['unexpired']} recordings would be missing at once"
    return None


async def _is_whole(connection: Connection, walk: WalkId) -> bool:
    return bool((await _one(connection, _SQL["is_whole"], walk))[0])
