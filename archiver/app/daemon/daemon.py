"""The daemon: waits for catalog and storage, keeps every account's duty, reloads, and drains when it is told to.

    schedule ──ring──> duties ──> walks, downloads, verification ──> catalog, storage
    NOTIFY ────wake──────^                     │
    signals ──> drain, reload                  └──> looks ──> vitals, notices

PostgreSQL is the only coordinator: any number of these run on one catalog, and none of them is special.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from archiver.app import systemd
from archiver.app.config.load import Config
from archiver.app.daemon.duty import Terms
from archiver.app.daemon.looks import Looks
from archiver.app.daemon.processes import end_of_input, keep_workers
from archiver.app.daemon.roster import Roster
from archiver.app.daemon.vitals import Vitals
from archiver.app.ops.metrics import Counts
from archiver.app.signals import Interruption
from archiver.app.wiring import Archive, listening, open_archive
from archiver.model.errors import CatalogError, CatalogUnavailable, ConfigError, StorageError
from archiver.pipeline.registrar import Registrar

log = structlog.get_logger()

SWEEP_EVERY: Final = timedelta(minutes=10)
"""How often leftovers of dead processes are removed from storage."""

NEEDS_RESTART: Final = ("catalog", "storage", "transfer", "ops", "notify", "log")
"""Tables of the configuration that a reload does not change."""

_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=30)


@dataclass(slots=True, kw_only=True)
class Daemon:
    """The daemon of one process. ``reread`` reads the configuration again; ``on_archive`` is told of every catalog and
    storage that were reached. A worker only carries: it has no schedule and looks after nothing.
    """

    config: Config
    reread: Callable[[], Config]
    vitals: Vitals
    looks: Looks | None
    counts: Counts
    on_archive: Callable[[Archive | None], None] = lambda _: None
    listen: str | None = None
    _roster: Roster | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _hangup: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_worker(self) -> bool:
        """Whether it is one process of several on this host, and not the first."""
        return self.looks is None

    def drain(self) -> None:
        """Finish the downloads that run, start nothing more."""
        self.vitals.is_draining = True
        systemd.stopping()
        log.info("daemon_draining", in_flight=sum(account.tally.in_flight for account in self.vitals.accounts.values()))
        self._stop.set()
        if self._roster is not None:
            self._roster.drain()

    async def run(self, interruption: Interruption) -> None:
        """Do everyone's duty until a signal says to drain.

        Raises: ConfigError; CatalogError when the catalog cannot be used, however long one waits.
        """
        interruption.grace, interruption.drain = self.config.transfer.shutdown_grace, self.drain
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        try:
            while not self._stop.is_set():
                async with AsyncExitStack() as stack:
                    archive = await self._reach(stack)
                    if archive is not None:
                        await self._serve(archive)
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
        log.info("worker_ended" if self.is_worker else "daemon_ended")

    async def _reach(self, stack: AsyncExitStack) -> Archive | None:
        """Open catalog and storage, however long they stay away; None when a signal came first."""
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                archive = await stack.enter_async_context(open_archive(self.config, patience=None))
            except (CatalogUnavailable, StorageError) as error:
                self._tell(error)
            else:
                self.vitals.catalog_trouble = self.vitals.storage_trouble = None
                self.vitals.is_started = True
                return archive
            systemd.extend_timeout(pause + 2 * _LONGEST_PAUSE)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause.total_seconds())
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None

    def _tell(self, error: CatalogError | StorageError) -> None:
        if isinstance(error, CatalogError):
            self.vitals.catalog_trouble = str(error)
        else:
            self.vitals.catalog_trouble, self.vitals.storage_trouble = None, str(error)
        log.warning("daemon_waits", code=error.code, error=str(error), fix=error.fix)
        systemd.status(f"waiting: {error}")

    async def _serve(self, archive: Archive) -> None:
        """Keep everybody's duty until it is drained."""
        registrar = Registrar(archive.catalog, archive.policy)
        self.on_archive(archive)
        try:
            async with registrar.running(), asyncio.TaskGroup() as group:
                terms = Terms(
                    archive=archive,
                    registrar=registrar,
                    jitter=self.config.schedule.jitter,
                    fixity_interval=self.config.schedule.fixity_interval,
                    is_worker=self.is_worker,
                    on_walked=self.looks.soon if self.looks else None,
                    counts=self.counts,
                )
                self._roster = roster = Roster(config=self.config, terms=terms, vitals=self.vitals, group=group)
                async with roster.timetable.running(), listening(self.config, archive.dsn, roster.wake):
                    roster.assign(self.config)
                    async with _beside(group, self._jobs(archive, roster)):
                        self._announce()
                        await self._stop.wait()
                    await roster.done()
        finally:
            self._roster = None
            self.on_archive(None)

    def _announce(self) -> None:
        count = len(self.vitals.accounts)
        if self.is_worker:
            log.info("worker_ready", accounts=count)
            return
        log.info("daemon_ready", listen=self.listen, accounts=count)
        systemd.ready()
        systemd.status(f"{count} accounts")

    def _jobs(self, archive: Archive, roster: Roster) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside the duties."""
        if self.looks is None:
            return [self._end_with_parent(), self._reload(roster)]
        transfer = self.config.transfer
        return [
            self._reload(roster),
            self.looks.run(archive),
            _sweep(archive),
            keep_workers(transfer.processes - 1, transfer.shutdown_grace),
        ]

    async def _end_with_parent(self) -> None:
        await end_of_input()
        self.drain()

    async def _reload(self, roster: Roster) -> None:
        """Take up changed accounts and schedules whenever SIGHUP comes; a configuration that is wrong is not taken."""
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            systemd.reloading()
            try:
                config = await asyncio.to_thread(self.reread)
            except ConfigError as error:
                self._refuse(error)
            else:
                self._take(config, roster)
            systemd.ready()

    def _refuse(self, error: ConfigError) -> None:
        self.vitals.config_error = str(error)
        log.error("reload_refused", code=error.code, error=str(error), fix=error.fix)

    def _take(self, config: Config, roster: Roster) -> None:
        unchanged = [table for table in NEEDS_RESTART if getattr(config, table) != getattr(self.config, table)]
        if unchanged:
            log.warning("reload_needs_restart", tables=unchanged)
        self.vitals.config_error = None
        roster.assign(config)
        log.info("reloaded", accounts=len(self.vitals.accounts))


async def _sweep(archive: Archive) -> None:
    """Remove what dead processes left in storage, now and every ``SWEEP_EVERY``."""
    while True:
        await archive.policy.outlast(archive.storage.sweep, archive.catalog.living)
        await asyncio.sleep(SWEEP_EVERY.total_seconds())


@asynccontextmanager
async def _beside(group: asyncio.TaskGroup, jobs: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Jobs that go on while the context is open."""
    tasks = [group.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
