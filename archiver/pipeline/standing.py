"""The standing work of one account, as a daemon does it: walks when the bell rings, and meanwhile, without an end,
whatever falls due is carried.

Where a one-shot takes every waiting recording up once, a daemon honours the back-off of each: a pass begins with every
scheduled walk, and gives back the attempts that the one before used up, but what is not due yet waits.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import structlog

from archiver.model.errors import ArchiverError, CatalogError, Held
from archiver.model.listing import Listing, WalkKind, WalkReport, Window
from archiver.model.recording import ListingName
from archiver.pipeline.breaker import Breaker, GatedWork, WatchedProvider
from archiver.pipeline.passes import Means
from archiver.pipeline.walk import Walker
from archiver.pipeline.workers import Workers
from archiver.ports.catalog import ClaimRequest

log = structlog.get_logger()

LOOK_AGAIN: Final = timedelta(seconds=30)
"""How often an idle account is asked for work that nobody rang for: what another host found, what it left behind."""


BUSY_AGAIN: Final = timedelta(seconds=5)
"""How often we look whether a listing that somebody else walks is free."""


@dataclass(slots=True, kw_only=True)
class Round:
    """What walks over an account's ``listings`` came to; ``error`` is the first thing that kept one from being read."""

    listings: frozenset[ListingName] = frozenset()
    reports: list[WalkReport] = field(default_factory=list)
    error: ArchiverError | None = None


class StandingWork:
    """The standing work of one account. ``carry`` runs beside any number of ``walk``, one after the other."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._tally = means.flow.tally
        self._is_draining = False
        self._pass_began = asyncio.Event()
        self._breaker = Breaker(account=means.account.name, policy=means.policy)
        self._walker = Walker(
            account=means.account,
            provider=means.provider,
            intake=means.intake,
            policy=means.policy,
            tally=self._tally,
            lease=means.lease,
            on_page=self.ring,
            is_exclusive=True,
        )
        self._workers = Workers(
            flow=replace(means.flow, provider=WatchedProvider(means.flow.provider, self._breaker)),
            work=GatedWork(means.work, self._breaker),
            policy=means.policy,
            slots=means.slots,
            lease=means.lease,
            is_walking=lambda: False,
        )

    @property
    def trouble(self) -> ArchiverError | None:
        """What keeps recordings from being fetched until the next pass; None while nothing does."""
        if self._workers.denied is not None:
            return self._workers.denied
        return self._breaker.error if self._breaker.has_given_up else None

    def ring(self) -> None:
        """There may be something to carry."""
        self._workers.bell.set()

    def drain(self) -> None:
        """Finish the downloads that run, start nothing more."""
        self._is_draining = True
        self._workers.drain()
        self._pass_began.set()

    async def begin_pass(self) -> None:
        """Take up again what was denied, or given up for too many failures, or had used up its attempts."""
        self._workers.request = await self._request()
        self._workers.denied = None
        self._breaker.begin_round()
        self._pass_began.set()
        self.ring()

    async def walk(self, kind: WalkKind) -> Round:
        """Walk every listing, side by side; what goes wrong with one does not keep the others.

        Raises: CatalogError.
        """
        done = Round()
        self._tally.reached.clear()
        self._tally.walks.clear()
        try:
            listings: Sequence[Listing] = await self._means.policy.persist(self._means.provider.listings)
        except CatalogError:
            raise
        except ArchiverError as error:
            done.error = error
            return done
        done.listings = frozenset(listing.name for listing in listings)
        async with asyncio.TaskGroup() as group:
            for listing in listings:
                group.create_task(self._walk(listing, kind, done))
        return done

    async def _walk(self, listing: Listing, kind: WalkKind, done: Round) -> None:
        try:
            done.reports.append(await self._walk_alone(listing, kind))
        except CatalogError:
            raise
        except ArchiverError as error:
            done.error = done.error or error
        except Exception as error:
            log.exception("account_broke_us", account=self._means.account.name, listing=listing.name)
            done.error = ArchiverError(f"internal error: {type(error).__name__}: {error}")

    async def _walk_alone(self, listing: Listing, kind: WalkKind) -> WalkReport:
        """Walk a listing as soon as nobody else does: a backfill may, or what a killed process left must run out."""
        while True:
            try:
                return await self._walker.walk(listing, Window(), kind)
            except Held as error:
                pause = min(BUSY_AGAIN, error.retry_after or BUSY_AGAIN)
                await asyncio.sleep(pause.total_seconds())

    async def carry(self) -> None:
        """Carry what falls due, until it is drained.

        Raises: CatalogError or StorageError (in an ExceptionGroup) when either stayed away.
        """
        await self._pass_began.wait()
        while not self._is_draining:
            await self._workers.run(self._workers.request)
            if self._is_draining:
                return
            pause = LOOK_AGAIN
            if self.trouble is not None:
                self._pass_began.clear()
                await self._pass_began.wait()
            else:
                outlook = await self._means.policy.outlast(self._means.work.outlook, self._workers.request)
                pause = min(LOOK_AGAIN, outlook.due_in or LOOK_AGAIN)  # what is due and was not taken waits for a pass
            with suppress(TimeoutError):
                await asyncio.wait_for(self._workers.bell.wait(), pause.total_seconds())

    async def _request(self) -> ClaimRequest:
        return ClaimRequest(
            account=self._means.account.name,
            limit=1,
            lease=self._means.lease,
            pass_started_at=await self._means.policy.outlast(self._means.work.now),
            max_attempts=self._means.policy.max_attempts,
            covered=Window().since_at_least(self._means.account.since),
            due_only=True,
            slots=self._means.account.concurrency,
        )
