"""Workers: claim due recordings and carry them, as many at a time as the account and the process allow.

Slot first, claim second: nothing is held that is not being worked on. Whoever waits is woken by a bell (a page with
new rows, a recording that ended), so nothing polls while there is nothing to do.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final

from archiver.model.errors import Denied
from archiver.model.recording import Claim, LeaseId
from archiver.pipeline.flow import Flow
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.catalog import ClaimRequest, Outlook, Work

LARGEST_CLAIM: Final = 16
"""One account takes no more of the process's slots at once; the others queue for theirs meanwhile."""

LOOK_AGAIN: Final = timedelta(seconds=1)
"""How often we look whether work that somebody else holds has ended."""

BREATH: Final = timedelta(milliseconds=100)
"""The first pause when there is work and none can be had: other processes have all the account's slots, or its rows are
locked by one that was stopped. It doubles up to ``LOOK_AGAIN``."""


@dataclass(slots=True, kw_only=True)
class Slots:
    """The account's own slots within those of the process."""

    account: asyncio.Semaphore
    process: asyncio.Semaphore

    async def take(self, most: int) -> int:
        """Wait for a slot, then take up to ``most`` of those that are free right now."""
        taken = 0
        while taken == 0 or (taken < most and not self.account.locked() and not self.process.locked()):
            await self.account.acquire()
            try:
                await self.process.acquire()
            except BaseException:
                self.account.release()
                raise
            taken += 1
        return taken

    def give_back(self, count: int) -> None:
        """Free slots again."""
        for _ in range(count):
            self.process.release()
            self.account.release()


@dataclass(slots=True, kw_only=True)
class Workers:
    """The workers of one account in one pass. ``is_walking`` tells whether listings may still bring work.

    ``request`` may be replaced while they run: a daemon begins its next pass while this one goes on.
    """

    flow: Flow
    work: Work
    policy: RetryPolicy
    slots: Slots
    lease: timedelta
    is_walking: Callable[[], bool]
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    denied: Denied | None = None
    request: ClaimRequest = field(init=False)
    _renewed_at: float = 0.0
    _breaths: int = 0
    _missed: frozenset[LeaseId] = frozenset()
    _running: dict[LeaseId, asyncio.Task[None]] = field(default_factory=dict)
    _draining: bool = False

    def drain(self) -> None:
        """Finish what runs, claim nothing more."""
        self._draining = True
        self.bell.set()

    async def run(self, request: ClaimRequest) -> None:
        """Carry everything that a pass can claim, until listings are read and nothing of the pass is left to wait for.

        ``request.limit`` is not used. Raises: CatalogError or StorageError when either stayed away.
        """
        self.request = request
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep_leases())
            while not self._is_stopping():
                self.bell.clear()
                request = self.request
                started = await self._start_some(group, request)
                if not started and not await self._is_worth_waiting(request):
                    break
            if self._running:
                await asyncio.wait(self._running.values())
            keeper.cancel()

    def _is_stopping(self) -> bool:
        return self._draining or self.denied is not None

    async def _start_some(self, group: asyncio.TaskGroup, request: ClaimRequest) -> int:
        taken = await self.slots.take(LARGEST_CLAIM)
        claims: list[Claim] = []
        try:
            if not self._is_stopping():
                await self.policy.outlast(self.flow.shelf.storage.admit)
            if not self._is_stopping():  # a storage may have let us wait
                claims.extend(await self.policy.outlast(self._claim, replace(request, limit=taken)))
        finally:
            self.slots.give_back(taken - len(claims))
        self._breaths = 0 if claims else self._breaths
        for claim in claims:
            task = group.create_task(self._carry(claim))
            self._running[claim.lease] = task
            task.add_done_callback(partial(self._end, claim.lease))
        return len(claims)

    async def _claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Claim, after a look at our own leases: when the catalog was away they may have run out, and would be taken
        over from ourselves."""
        if asyncio.get_running_loop().time() - self._renewed_at > self.lease.total_seconds() / 2:
            await self._renew()
        return await self.work.claim(request)

    async def _carry(self, claim: Claim) -> None:
        tally = self.flow.tally
        tally.in_flight += 1
        try:
            await self.flow.carry(claim)
        except Denied as error:
            self.denied = error
            tally.trouble = error
        finally:
            tally.in_flight -= 1

    def _end(self, lease: LeaseId, _task: asyncio.Task[None]) -> None:
        """Free the slot. Called however the task ended, also when it was cancelled before its first step."""
        del self._running[lease]
        self.slots.give_back(1)
        self.bell.set()

    async def _is_worth_waiting(self, request: ClaimRequest) -> bool:
        """Wait until something may have become due. False when nothing of this pass can become due any more."""
        # Asked before the outlook: a page that comes while we look rings the bell, and must not find us gone
        may_bring_more = bool(self._running) or self.is_walking()
        outlook = await self.policy.outlast(self.work.outlook, request)
        pause = _until_due(outlook, len(self._running))
        if outlook.claimable:
            pause = min(LOOK_AGAIN, BREATH * 2**self._breaths)
            self._breaths = min(self._breaths + 1, 8)
        if pause is None and not may_bring_more:
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(self.bell.wait(), pause.total_seconds() if pause is not None else None)
        return True

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            await self.policy.outlast(self._renew)

    async def _renew(self) -> None:
        began_at, held = asyncio.get_running_loop().time(), frozenset(self._running)
        missed = held - await self.work.renew(held, self.lease) if held else held
        self._renewed_at = began_at
        # Missed once, a lease may have ended by an outcome whose commit is not answered yet; missed twice, it is lost
        for lost in missed & self._missed & self._running.keys():
            self._running[lost].cancel()
        self._missed = missed


def _until_due(outlook: Outlook, running: int) -> timedelta | None:
    """How long until there may be something to claim; None when only a bell can tell."""
    if outlook.leased > running:
        return min(LOOK_AGAIN, outlook.retry_in or LOOK_AGAIN)
    return outlook.retry_in
