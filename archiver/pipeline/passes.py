"""A pass over one account: walk its listings, and meanwhile carry what the catalog says is due, until nothing is left.

Downloads begin with the first page that was accepted, so refused credentials and unreachable providers show before
any of them. Walks and workers of one account share nothing with those of another but the process's slots.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from archiver.model.account import Account
from archiver.model.errors import ArchiverError, CatalogError, Denied
from archiver.model.listing import Listing, WalkKind, Window
from archiver.pipeline.breaker import Breaker, GatedWork, WatchedProvider
from archiver.pipeline.flow import Flow
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.walk import Walker
from archiver.pipeline.workers import Slots, Workers
from archiver.ports.catalog import ClaimRequest, Intake, Outlook, Work
from archiver.ports.provider import Provider

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a pass covers: the recordings in ``window``; ``wait``: how long, once its own retries are done, it goes on
    for what falls due later; ``fetches`` False only walks."""

    window: Window = field(default_factory=Window)
    wait: timedelta = timedelta(0)
    fetches: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a pass over one account works with."""

    account: Account
    provider: Provider
    intake: Intake
    work: Work
    flow: Flow
    slots: Slots
    policy: RetryPolicy
    lease: timedelta


class AccountPass:
    """One pass over one account; run it once."""

    def __init__(self, means: Means, scope: Scope) -> None:
        self._means = means
        self._scope = scope
        self._tally = means.flow.tally
        self._admitted = asyncio.Event()
        self._walking: asyncio.Task[None] | None = None
        self._is_draining = False
        self._walker = Walker(
            account=means.account,
            provider=means.provider,
            intake=means.intake,
            policy=means.policy,
            tally=self._tally,
            lease=means.lease,
            on_page=self._admit,
        )
        self._breaker = Breaker(account=means.account.name, policy=means.policy)
        self._workers = Workers(
            flow=replace(means.flow, provider=WatchedProvider(means.flow.provider, self._breaker)),
            work=GatedWork(means.work, self._breaker),
            policy=means.policy,
            slots=means.slots,
            lease=means.lease,
            is_walking=self._is_walking,
        )

    async def run(self) -> None:
        """Walk and carry. What goes wrong with the account is in the tally's ``trouble``, never raised.

        Raises: CatalogError or StorageError (in an ExceptionGroup) when either stayed away.
        """
        if self._is_draining:
            return
        async with asyncio.TaskGroup() as group:
            self._walking = group.create_task(self._walk_all())
            if self._scope.fetches:
                group.create_task(self._carry_all())

    def drain(self) -> None:
        """Finish the downloads that run, start nothing more; walks are given back to be resumed."""
        self._is_draining = True
        self._workers.drain()
        if self._walking is not None:
            self._walking.cancel()
            self._admit()  # a task that is cancelled before its first step never comes to do so itself

    def _is_walking(self) -> bool:
        """Whether a walk may still bring work."""
        return self._walking is None or not self._walking.done()

    def _admit(self) -> None:
        """A page came: the account is reachable and its credentials are good."""
        self._admitted.set()
        self._workers.bell.set()

    async def _walk_all(self) -> None:
        listings: Sequence[Listing] = ()
        try:
            with self._isolated():
                listings = await self._means.policy.persist(self._means.provider.listings)
            async with asyncio.TaskGroup() as group:
                for listing in listings:
                    group.create_task(self._walk(listing))
        finally:
            asyncio.get_running_loop().call_soon(self._admit)

    async def _walk(self, listing: Listing) -> None:
        with self._isolated():
            report = await self._walker.walk(listing, self._scope.window)
            is_resumed = self._tally.reached[listing.name].is_resumed
            if is_resumed and report.is_complete and self._scope.window.is_open:
                # What appeared meanwhile in the part that was read before is not left to another pass (O5)
                await self._walker.walk(listing, self._scope.window, WalkKind.INCREMENTAL)

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        """What goes wrong with the account stays with the account, our own mistakes included."""
        try:
            yield
        except CatalogError:
            raise
        except ArchiverError as error:
            self._stop_for(error)
        except Exception as error:
            log.exception("account_broke_us", account=self._means.account.name)
            self._stop_for(ArchiverError(f"internal error: {type(error).__name__}: {error}"))

    def _stop_for(self, error: ArchiverError) -> None:
        self._tally.trouble = error
        self._tally.note(error)
        log.error("account_failed", account=self._means.account.name, code=error.code, error=str(error))
        if isinstance(error, Denied):
            self._workers.denied = error
            self._workers.bell.set()

    async def _carry_all(self) -> None:
        """Carry what the pass can; an account whose breaker stayed open to the end is in trouble."""
        await self._admitted.wait()
        await self._carry_and_wait()
        if self._breaker.has_given_up and self._breaker.error is not None:
            self._stop_for(self._breaker.error)

    async def _carry_and_wait(self) -> None:
        """Carry what can be, then wait for what falls due later, up to ``Scope.wait`` in all."""
        loop, ends_at = asyncio.get_running_loop(), None
        while not self._is_stopping():
            request = await self._claims()
            await self._look_out(request)
            self._breaker.begin_round()
            await self._workers.run(request)
            ends_at = ends_at or loop.time() + self._scope.wait.total_seconds()
            outlook = await self._look_out(request)
            if self._is_stopping() or outlook.due_in is None:
                return
            if loop.time() + outlook.due_in.total_seconds() >= ends_at:
                return
            self._workers.bell.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._workers.bell.wait(), outlook.due_in.total_seconds())

    async def _look_out(self, request: ClaimRequest) -> Outlook:
        outlook = await self._means.policy.outlast(self._means.work.outlook, request)
        self._tally.learn(outlook.left)
        return outlook

    def _is_stopping(self) -> bool:
        return self._is_draining or self._workers.denied is not None or self._is_cut_off()

    def _is_cut_off(self) -> bool:
        """Whether the account could not be reached at all, so that downloads would only use up attempts."""
        return self._tally.trouble is not None and not self._tally.has_reached

    async def _claims(self) -> ClaimRequest:
        return ClaimRequest(
            account=self._means.account.name,
            limit=1,
            lease=self._means.lease,
            pass_started_at=await self._means.policy.outlast(self._means.work.now),
            max_attempts=self._means.policy.max_attempts,
            covered=self._scope.window.since_at_least(self._means.account.since),
            slots=self._means.account.concurrency,
        )
