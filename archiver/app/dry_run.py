"""``backfill --dry-run``: the same walks, recorded into memory; neither catalog nor storage is changed."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from archiver.app.config.load import Config
from archiver.app.summary import AccountSummary, Summary
from archiver.app.wiring import WiredAccount, open_catalog_to_read, retry_policy
from archiver.model.account import AccountName
from archiver.model.errors import ArchiverError, CatalogError
from archiver.model.listing import Checkpoint, Order, Walk, WalkId, WalkReport, Window
from archiver.model.recording import RecordingId, State
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.tally import Tally
from archiver.pipeline.walk import Walker
from archiver.ports.catalog import Intake, PageIntake, Recorded, View, WalkRequest


async def rehearse(
    config: Config, accounts: Sequence[WiredAccount], window: Window, tallies: Mapping[AccountName, Tally]
) -> Summary:
    """Walk every account and tell what a backfill would find to do.

    ``left`` of an account is what would be fetched: its new recordings and the backlog that the catalog has already.
    """
    started = time.monotonic()
    async with open_catalog_to_read(config) as view:
        intake = DryIntake(view)
        async with asyncio.TaskGroup() as group:
            for account in accounts:
                tally = tallies[account.name]
                group.create_task(_walk(account, intake, window, tally, retry_policy(config)))
        statuses = {status.account: status for status in await view.status()} if view else {}
    parts = {}
    for account in accounts:
        tally, status = tallies[account.name], statuses.get(account.name)
        parts[account.name] = AccountSummary(
            tally=tally,
            listed=intake.listed([walk.id for walk in tally.walks]),
            gone=0,
            left=intake.wanted([walk.id for walk in tally.walks]) + (status.backlog if status else 0),
            states=status.states if status else dict.fromkeys(State, 0),
        )
    return Summary(accounts=parts, elapsed_s=time.monotonic() - started, is_dry_run=True)


async def _walk(account: WiredAccount, intake: "DryIntake", window: Window, tally: Tally, policy: RetryPolicy) -> None:
    walker = Walker(
        account=account.account,
        provider=account.provider,
        intake=intake,
        policy=policy,
        tally=tally,
        lease=timedelta(minutes=1),
        on_page=lambda: None,
    )
    try:
        for listing in await policy.persist(account.provider.listings):
            await walker.walk(listing, window)
    except CatalogError:
        raise
    except ArchiverError as error:
        tally.trouble = error


class DryIntake(Intake):
    """A catalog that only pretends: it takes walks in like the real one, and knows what that knows (None: nothing).

    Memory grows with the listing: some 200 bytes for each recording.
    """

    def __init__(self, view: View | None) -> None:
        self._view = view
        self._walks: dict[WalkId, _DryWalk] = {}

    async def enrol(self, account: AccountName, provider: str, real_id: str) -> None:
        """Nothing is remembered."""

    async def begin_walk(self, request: WalkRequest) -> Walk:
        """A walk that always begins anew."""
        walk_id = WalkId(len(self._walks) + 1)
        self._walks[walk_id] = _DryWalk(request)
        return Walk(
            id=walk_id,
            listing=request.listing,
            kind=request.kind,
            window=request.window,
            checkpoint=Checkpoint(),
            started_at=datetime.now(UTC),
            is_resumed=False,
        )

    async def record(self, walk: WalkId, page: PageIntake) -> Recorded:
        """Count a page's rows as the catalog would."""
        one = self._walks[walk]
        ids = {row.recording_id for row in page.rows}
        known = await self._view.known(one.request.account, ids) if self._view else frozenset()
        unknown = ids - known - one.listed
        one.wanted |= unknown.difference(page.excluded)
        one.listed |= ids
        one.new += len(unknown)
        one.pages += 1
        rest = {*page.passed, *(row.fingerprint for row in page.malformed)}
        one.malformed |= {row.fingerprint for row in page.malformed}
        fresh = len((ids | rest) - one.seen[page.checkpoint.round])
        one.seen[page.checkpoint.round] |= ids | rest
        return Recorded(fresh=fresh, new=len(unknown), seen=len(one.seen[1] | one.seen[2]))

    async def renew_walk(self, walk: WalkId, lease: timedelta) -> None:
        """Nobody else can take it."""

    async def end_walk(self, walk: WalkId, doubt: str | None, order: Order = Order.NONE) -> WalkReport:
        """What the walk came to."""
        one = self._walks[walk]
        return WalkReport(
            id=walk,
            listing=one.request.listing.name,
            is_complete=doubt is None,
            doubt=doubt,
            pages=one.pages,
            listed=len(one.listed),
            new=one.new,
            malformed=len(one.malformed),
        )

    async def release_walk(self, walk: WalkId) -> None:
        """There is nothing to resume."""

    def listed(self, walks: Collection[WalkId]) -> int:
        """How many distinct recordings these walks listed together."""
        return len(set().union(*(self._walks[walk].listed for walk in walks)))

    def wanted(self, walks: Collection[WalkId]) -> int:
        """How many distinct recordings of these walks the catalog does not know and the operator wants."""
        return len(set().union(*(self._walks[walk].wanted for walk in walks)))


class _DryWalk:
    def __init__(self, request: WalkRequest) -> None:
        self.request = request
        self.pages = 0
        self.new = 0
        self.listed: set[RecordingId] = set()
        self.wanted: set[RecordingId] = set()
        self.malformed: set[bytes] = set()
        self.seen: dict[int, set[object]] = {1: set(), 2: set()}
