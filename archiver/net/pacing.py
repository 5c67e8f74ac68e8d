"""One limiter per credential: every request passes it, logins with their cost.

A provider that counts a sliding window sees our requests with the jitter of the network. At exactly the allowed rate
a tenth of them would be refused, so turns are given out 1 % below it (tried at 10 a minute: 8 % refused, then 0.2 %).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

import structlog

from archiver.model.errors import CatalogError
from archiver.model.units import Rate
from archiver.ports.coordination import Budget, Budgets

log = structlog.get_logger()

_SHARE_USED: Final = 0.99
_AT_ONCE: Final = timedelta(milliseconds=50)
"""Shares of so much time are taken from a common budget at once, and used up within it or lost: what comes faster than
this would else be bound by the way to the catalog."""
_TELL_WITHIN: Final = timedelta(seconds=2)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=60)


class TokenBucket:
    """Shares of a rate, as pure arithmetic: times are seconds of any steady clock, given with every call.

    ``burst`` shares may be taken at once, then one every ``rate.interval`` and 1 %. What costs more than the burst
    waits for a full bucket and is paid off before the next. After a silence the bucket is empty, but for one share.
    """

    def __init__(self, rate: Rate, burst: float) -> None:
        self._interval = rate.interval.total_seconds() / _SHARE_USED
        self._burst = burst
        self._full_at = float("-inf")
        self._silent_until = float("-inf")

    def delay(self, cost: float, now: float) -> float:
        """The seconds until ``cost`` can be taken; 0 when it can be taken now."""
        affordable_at = self._full_at - max(self._burst - cost, 0) * self._interval
        return max(affordable_at - now, self._silent_until - now, 0.0)

    def take(self, cost: float, now: float) -> None:
        """Take ``cost``; only right after ``delay`` said 0."""
        self._full_at = max(self._full_at, now) + cost * self._interval

    def freeze(self, until: float) -> None:
        """Give nothing before ``until``, and no burst at the thaw: whoever asked for silence is not met by a volley."""
        self._silent_until = max(self._silent_until, until)
        self._full_at = max(self._full_at, self._silent_until + (self._burst - 1) * self._interval)


class AccountPacer:
    """The ``Pacer`` of one process: a bucket behind a queue in which each waits for those who asked before.

    ``clock`` gives seconds, ``sleep`` waits for so many of them.
    """

    def __init__(
        self,
        rate: Rate,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until a request of this cost may go out, and take its share."""
        async with self._queue:
            # A freeze can come during the sleep, so the delay is asked for again after each
            while (delay := self._bucket.delay(cost, self._clock())) > 0:
                await self._sleep(delay)
            self._bucket.take(cost, self._clock())

    def freeze(self, duration: timedelta) -> None:
        """Be silent for this long from now on."""
        self._bucket.freeze(self._clock() + duration.total_seconds())


class Backoff:
    """The pauses after refusals that name none: 1 s, doubled by each further refusal up to 60 s, until a success.

    Requests that were under way together are refused together; they count as one refusal.
    """

    def __init__(self) -> None:
        self._pause = timedelta(0)
        self._refused_at = float("-inf")

    def next_pause(self, sent_at: float, now: float) -> timedelta:
        """The pause for a request that was sent at one time and refused at another, in seconds of a steady clock."""
        if sent_at >= self._refused_at:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._refused_at = now
        return self._pause

    def reset(self, sent_at: float) -> None:
        """A request was answered: begin anew, unless it had gone out before the last refusal."""
        if sent_at >= self._refused_at:
            self._pause = timedelta(0)


class SharedPacer:
    """The ``Pacer`` of a credential that many processes share: each request has a share of the common budget, and its
    turn in this process. Open it with ``shared_pacer``.

    Without the catalog there is no common budget to ask for; this process keeps its own pace then, and nothing faster.
    """

    def __init__(
        self,
        budgets: Budgets,
        budget: Budget,
        own: AccountPacer,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budgets = budgets
        self._budget = budget
        self._own = own
        self._sleep = sleep
        self._clock = clock
        self._queue = asyncio.Lock()
        self._in_hand = 0.0
        self._in_hand_until = float("-inf")
        self._telling: set[asyncio.Task[None]] = set()

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until a request of this cost may go out, and take its share."""
        async with self._queue:
            with suppress(CatalogError):
                await self._take(cost)
            asked_at = self._clock()
            await self._own.turn(cost)
            with suppress(CatalogError):
                # What comes while we wait for our own turn is seen here; nothing can come where we did not wait
                while self._clock() - asked_at > _AT_ONCE.total_seconds():
                    asked_at = self._clock()
                    if silence := await self._budgets.silent_for(self._budget):
                        await self._sleep(silence.total_seconds())

    async def _take(self, cost: float) -> None:
        """Take shares of the common budget, anew after each silence that somebody else was asked for meanwhile."""
        if cost <= self._in_hand and self._clock() < self._in_hand_until:
            self._in_hand -= cost
            return
        shares = max(cost, float(_AT_ONCE // self._budget.interval))
        while True:
            wait = await self._budgets.reserve(self._budget, shares)
            if not wait:
                break
            await self._sleep(wait.total_seconds())
            if not await self._budgets.silent_for(self._budget):
                break
        self._in_hand, self._in_hand_until = shares - cost, self._clock() + _AT_ONCE.total_seconds()

    def freeze(self, duration: timedelta) -> None:
        """Be silent for this long from now on, and tell all the others."""
        self._own.freeze(duration)
        self._in_hand = 0.0
        task = asyncio.create_task(self._tell(duration))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, duration: timedelta) -> None:
        try:
            await self._budgets.silence(self._budget, duration)
        except CatalogError as error:
            log.warning("silence_not_told", seconds=duration.total_seconds(), error=str(error))

    async def told(self) -> None:
        """Return when every silence has been told to the others."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=_TELL_WITHIN.total_seconds())


def budget_of(credential: str, rate: Rate, burst: float) -> Budget:
    """The common budget of a credential with this allowance; it stays 1 % below, as every pacer does."""
    return Budget(credential=credential, interval=rate.interval / _SHARE_USED, burst=burst)


@asynccontextmanager
async def shared_pacer(budgets: Budgets, budget: Budget, own: AccountPacer) -> AsyncIterator[SharedPacer]:
    """A pacer over a common budget; silences are told before it is closed."""
    pacer = SharedPacer(budgets, budget, own)
    try:
        yield pacer
    finally:
        await pacer.told()
