"""Group commit: outcomes that are ready at the same time go into the catalog together.

Each worker waits until its own outcome is committed, so the order of durable effects of a recording is kept; while
one batch is on its way to the catalog the next one gathers. Nothing waits for a timer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from archiver.model.errors import CatalogUnavailable, LeaseLost
from archiver.model.outcome import Outcome, Released
from archiver.model.recording import LeaseId
from archiver.pipeline.retry import GIVE_BACK_WITHIN, RetryPolicy
from archiver.ports.catalog import Work

LARGEST_BATCH: Final = 500


class Registrar:
    """Writes outcomes; open it with ``running``."""

    def __init__(self, work: Work, policy: RetryPolicy) -> None:
        self._work = work
        self._policy = policy
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._bell = asyncio.Event()
        self._is_open = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write outcomes while the context is open.

        Raises: CatalogError (in an ExceptionGroup) when the catalog stayed away longer than the policy's patience.
        """
        async with asyncio.TaskGroup() as group:
            self._is_open = True
            writer = group.create_task(self._write())
            yield
            writer.cancel()

    async def settle(self, outcome: Outcome) -> None:
        """Write an outcome and wait for its commit, also when the caller is cancelled meanwhile.

        Raises: LeaseLost when somebody else holds the recording by now; nothing was written then. CatalogUnavailable
        when writing has ended, because the catalog stayed away: the recording will be claimed again; for a claim that
        is given back, when it does not answer at once.
        """
        if not self._is_open:
            raise _closed()
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, committed))
        self._bell.set()
        limit = GIVE_BACK_WITHIN.total_seconds() if isinstance(outcome, Released) else None
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(committed)
        except TimeoutError as error:
            raise CatalogUnavailable("the catalog does not answer; the lease will run out by itself") from error

    async def _write(self) -> None:
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                while self._waiting:
                    await self._commit(self._next_batch())
                    self._waiting = [waiting for waiting in self._waiting if not waiting[1].done()]
        finally:
            self._is_open = False
            for _, committed in self._waiting:
                committed.set_exception(_closed())

    def _next_batch(self) -> list[tuple[Outcome, asyncio.Future[None]]]:
        """What goes together: the first outcome of each lease. What follows it (a recording that was stored is given
        back, say) waits for the next batch, so that its order is kept."""
        firsts: dict[LeaseId, tuple[Outcome, asyncio.Future[None]]] = {}
        for waiting in self._waiting[:LARGEST_BATCH]:
            firsts.setdefault(waiting[0].claim.lease, waiting)
        return list(firsts.values())

    async def _commit(self, batch: list[tuple[Outcome, asyncio.Future[None]]]) -> None:
        lost = await self._policy.outlast(self._work.settle, [outcome for outcome, _ in batch])
        for outcome, committed in batch:
            if outcome.claim.lease in lost:
                committed.set_exception(
                    LeaseLost(f"{outcome.claim.listed.recording_id}: the lease ran out and the work was taken over")
                )
            else:
                committed.set_result(None)


def _closed() -> CatalogUnavailable:
    return CatalogUnavailable("the catalog stayed away; outcomes are not written any more")
