"""The duty of one account: what is done for it when its bells ring, and what is carried meanwhile.

Every host has the same schedule, and each scheduled run is one host's: the one that began it in the catalog first. The
others do nothing but take up what is due. A host that dies loses its run to the next one that looks; what fell due
while no host was there, or could not be done because the provider was away, is made up for by one run.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from archiver.app.config.accounts import AccountConfig
from archiver.app.daemon.bells import Bells
from archiver.app.daemon.vitals import AccountVitals
from archiver.app.ops.metrics import Counts
from archiver.app.wiring import Archive, WiredAccount
from archiver.jobs.fixity import Fixity, FixityTally, Selection
from archiver.model.errors import ArchiverError, CatalogError, StorageError
from archiver.model.listing import WalkKind
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.retry import GIVE_BACK_WITHIN
from archiver.pipeline.standing import StandingWork
from archiver.pipeline.tally import Tally
from archiver.ports.coordination import RunKind, RunLease

log = structlog.get_logger()

_READERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What duties of all accounts share. ``on_walked`` is called after every scheduled walk of this process."""

    archive: Archive
    registrar: Registrar
    jitter: timedelta
    fixity_interval: timedelta
    is_worker: bool
    on_walked: Callable[[], None] | None
    counts: Counts


@dataclass(slots=True, kw_only=True)
class AccountDuty:
    """One account's part of the daemon; run it once. ``tally`` counts what this process did for it since it began.

    ``missed`` answers the last fire time of a kind since another one; None when there was none.
    """

    config: AccountConfig
    wired: WiredAccount
    terms: Terms
    vitals: AccountVitals
    tally: Tally
    missed: Callable[[RunKind, datetime], datetime | None]
    _work: StandingWork | None = None
    _walks: Bells = field(default_factory=Bells)
    _verifications: Bells = field(default_factory=Bells)
    _known: asyncio.Event = field(default_factory=asyncio.Event)
    _fixity: Fixity | None = None
    _walking: "asyncio.Task[None] | None" = None
    _trouble: ArchiverError | None = None
    _is_draining: bool = False

    def ring(self, kind: RunKind, fire_at: datetime) -> None:
        """A run is due. What was due before and has not begun is made up for by this one."""
        self.vitals.missed_runs += self._bells(kind).ring(kind, fire_at)

    def wake(self) -> None:
        """There may be something to carry: another host found it."""
        if self._work is not None:
            self._work.ring()

    def drain(self) -> None:
        """Finish the downloads that run, start nothing more; a walk is given back to be resumed."""
        self._is_draining = True
        self._known.set()
        self._verifications.wake()
        if self._work is not None:
            self._work.drain()
        if self._fixity is not None:
            self._fixity.drain()
        if self._walking is not None:
            self._walking.cancel()

    async def run(self) -> None:
        """Do the account's duty until it is drained; trouble with the account is kept in its vitals.

        Raises: CatalogError (in an ExceptionGroup) when the catalog cannot be used any more.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry())
            group.create_task(self._attend_verification())
            self._walking = group.create_task(self._attend_walks())

    def _bells(self, kind: RunKind) -> Bells:
        return self._verifications if kind is RunKind.VERIFY else self._walks

    async def _carry(self) -> None:
        await self._known.wait()
        if self._work is not None:
            await self._work.carry()

    async def _attend_walks(self) -> None:
        """Answer the bells, one after the other. The first incremental walk does not wait for one."""
        self.ring(RunKind.WALK, datetime.now(UTC))
        delay = timedelta(0)
        while True:
            if await self._walks.wait(self.terms.archive.lease):
                await asyncio.sleep(random.uniform(0, delay.total_seconds()))  # noqa: S311  spreads load, no secret
                delay = self.terms.jitter
                await self._begin_pass()
            for kind, fire_at in self._walks.take():
                await self._answer(kind, fire_at)

    async def _attend_verification(self) -> None:
        """The same for reading back, which takes long and needs no provider."""
        await self._known.wait()
        while not self._is_over():
            await self._verifications.wait(self.terms.archive.lease)
            if self._is_over():
                return
            for kind, fire_at in self._verifications.take():
                await self._answer(kind, fire_at)

    def _is_over(self) -> bool:
        return self._is_draining

    async def _begin_pass(self) -> None:
        """Take up what waits; what kept the pass before from being carried counts against the account."""
        try:
            work = await self._admitted()
        except CatalogError:
            raise
        except ArchiverError as error:
            self._judge(error)
            return
        self._trouble = work.trouble
        await work.begin_pass()
        if not self._known.is_set() and not self.terms.is_worker:
            await self._catch_up()
        self._known.set()

    async def _catch_up(self) -> None:
        """Ring for what fell due while no host was there, and for what one died of.

        An account that is new begins with neither: its first incremental walk reads everything.
        """
        archive = self.terms.archive
        for kind in (RunKind.FULL_WALK, RunKind.VERIFY):
            latest = await archive.policy.outlast(archive.catalog.latest_run, self.wired.name, kind)
            if latest is None:
                begun = await archive.policy.outlast(
                    archive.catalog.begin_run, self.wired.name, kind, datetime.now(UTC), archive.lease
                )
                if begun is not None:
                    await archive.policy.outlast(archive.catalog.end_run, begun)
                continue
            due = self.missed(kind, latest.fire_at) or (None if latest.is_done else latest.fire_at)
            if due is not None:
                self.ring(kind, due)

    async def _answer(self, kind: RunKind, fire_at: datetime) -> None:
        if self._work is None or self.terms.is_worker:
            return
        archive = self.terms.archive
        lease = await archive.policy.outlast(archive.catalog.begin_run, self.wired.name, kind, fire_at, archive.lease)
        if lease is None:
            self._bells(kind).leave(kind, fire_at)
            return
        try:
            async with self._held(lease):
                is_done = await self._do(self._work, kind)
        except BaseException:
            with suppress(CatalogError, TimeoutError):  # the lease runs out by itself
                async with asyncio.timeout(GIVE_BACK_WITHIN.total_seconds()):
                    await asyncio.shield(archive.catalog.release_run(lease))
            raise
        if is_done:
            await archive.policy.outlast(archive.catalog.end_run, lease)
        else:
            await archive.policy.outlast(archive.catalog.release_run, lease)
            self._bells(kind).owe(kind, fire_at)
        if self.terms.on_walked is not None:
            self.terms.on_walked()

    async def _do(self, work: StandingWork, kind: RunKind) -> bool:
        """Do what a run is for; what goes wrong with the account is the account's. Answers whether it was done."""
        try:
            if kind is not RunKind.VERIFY:
                return await self._walk(work, kind)
            await self._verify()
            return not self._is_over()  # one that was drained goes on after the next start
        except CatalogError:
            raise
        except StorageError as error:  # what cannot be read now is read by a later run
            log.warning("verify_interrupted", account=self.wired.name, error=str(error))
            return False
        except Exception as error:
            log.exception("account_broke_us", account=self.wired.name)
            self._judge(ArchiverError(f"internal error: {type(error).__name__}: {error}"))
        return True

    async def _walk(self, work: StandingWork, kind: RunKind) -> bool:
        """Walk all listings. A full walk that was shown nothing is not done: it costs little to try it again soon."""
        done = await work.walk(WalkKind.FULL if kind is RunKind.FULL_WALK else WalkKind.INCREMENTAL)
        self.vitals.listings = done.listings or self.vitals.listings
        self._judge(done.error or self._trouble, is_interval=kind is RunKind.WALK)
        return kind is RunKind.WALK or done.error is None or self.tally.has_reached

    def _judge(self, error: ArchiverError | None, *, is_interval: bool = True) -> None:
        if error is None:
            if self.vitals.trouble is not None:
                log.info("account_recovered", account=self.wired.name)
            self.vitals.recover()
            return
        self.vitals.fail(error, datetime.now(UTC), is_interval=is_interval)
        log.error("account_failed", account=self.wired.name, code=error.code, error=str(error), fix=error.fix)

    async def _admitted(self) -> StandingWork:
        """The account's standing work, once the provider has said who it is.

        Raises: what the provider answers; ConfigError when the account's name stood for another one before.
        """
        if self._work is None:
            archive = self.terms.archive
            real_id = await archive.policy.persist(self.wired.provider.identify)
            await archive.policy.outlast(archive.catalog.enrol, self.wired.name, self.wired.account.provider, real_id)
            listings = await archive.policy.persist(self.wired.provider.listings)
            self.vitals.listings = frozenset(listing.name for listing in listings)
            means = archive.means(self.wired, real_id, self.terms.registrar, self.tally)
            self._work = StandingWork(means)
            if self._is_draining:
                self._work.drain()
        return self._work

    async def _verify(self) -> None:
        """Read back what was not read for the fixity interval."""
        archive = self.terms.archive
        tally = FixityTally()
        self._fixity = Fixity(
            custody=archive.catalog,
            work=archive.catalog,
            storage=archive.storage,
            policy=archive.policy,
            lease=archive.lease,
            concurrency=_READERS,
            tally=tally,
        )
        now = await archive.policy.outlast(archive.catalog.now)
        await self._fixity.run([Selection(account=self.wired.name, not_since=now - self.terms.fixity_interval)])
        self._fixity = None
        if self.tally.meter is not None:
            for outcome, count in _outcomes(tally).items():
                self.tally.meter.verified(outcome, count)
        log.info("verify_ended", account=self.wired.name, checked=tally.checked, ok=tally.ok, size_bytes=tally.bytes)
        self.wake()

    @asynccontextmanager
    async def _held(self, lease: RunLease) -> AsyncIterator[None]:
        archive = self.terms.archive

        async def hold() -> None:
            while True:
                await asyncio.sleep(archive.lease.total_seconds() / 3)
                if not await archive.policy.outlast(archive.catalog.renew_run, lease, archive.lease):
                    log.warning("run_taken_over", account=self.wired.name)  # each walk and copy has a lease of its own
                    return

        keeper = asyncio.create_task(hold())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


def _outcomes(tally: FixityTally) -> Mapping[str, int]:
    """What reading copies back came to, in the words of the metrics."""
    return {
        "ok": tally.ok,
        "damaged": len(tally.damaged),
        "missing": len(tally.missing),
        "unreadable": len(tally.unreadable),
    }
