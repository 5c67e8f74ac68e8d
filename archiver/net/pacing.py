"""One limiter per credential: every request passes it, logins with their cost.

A provider that counts a sliding window sees our requests with the jitter of the network. At exactly the allowed rate
a tenth of them would be refused, so turns are given out 1 % below it (tried at 10 a minute: 8 % refused, then 0.2 %).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog

from archiver.model.errors import CatalogError
from archiver.model.units import Rate
from archiver.ports.coordination import Budget, Budgets
from archiver.ports.pacing import Pacer

log = structlog.get_logger()

_SHARE_USED: Final = 0.99
_AT_ONCE: Final = timedelta(milliseconds=50)
"""Shares of so much time are taken from a common budget at once: what comes faster than this would else be bound by the
way to the catalog."""
_KEPT_FOR: Final = timedelta(milliseconds=200)
"""Those that were not used so long after they could be are lost: late ones would come beside those of others."""
_ALONE_FOR: Final = timedelta(seconds=5)
_TELL_WITHIN: Final = timedelta(seconds=2)
_TELL_AGAIN: Final = timedelta(seconds=1)
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
        self._usable_at = self._lost_at = float("-inf")
        self._freezes = 0
        self._alone_until: float | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until a request of this cost may go out, and take its share."""
        async with self._queue:
            is_out = False
            while not is_out:
                freezes = self._freezes
                await self._asked(self._take(cost))
                asked_at = self._clock()
                await self._own.turn(cost)
                # Nothing can have come where we did not wait; a share from before a silence is worth nothing after it
                is_out = freezes == self._freezes and (
                    self._clock() - asked_at <= _AT_ONCE.total_seconds() or not await self._asked(self._is_silent())
                )

    async def _asked(self, answer: Coroutine[object, object, bool]) -> bool:
        """What the catalog answers; False without one. While it is away it is asked now and then only."""
        if self._alone_until is not None and self._clock() < self._alone_until:
            answer.close()
            return False
        try:
            is_so = await answer
        except CatalogError as error:
            if self._alone_until is None:
                log.warning("rate_not_shared", error=str(error))
            self._alone_until = self._clock() + _ALONE_FOR.total_seconds()
            return False
        if self._alone_until is not None:
            log.info("rate_shared_again")
            self._alone_until = None
        return is_so

    async def _is_silent(self) -> bool:
        return await self._budgets.silent_for(self._budget) > timedelta(0)

    async def _take(self, cost: float) -> bool:
        """Take shares of the common budget, anew after a silence that somebody else was asked for meanwhile.

        Who gives up waiting leaves them to the next one.
        """
        if self._in_hand < cost or self._clock() >= self._lost_at:
            await self._reserve(cost)
        while (wait := self._usable_at - self._clock()) > 0:
            await self._sleep(wait)
            if self._in_hand < cost or await self._is_silent():
                await self._reserve(cost)
        self._in_hand -= cost
        return True

    async def _reserve(self, cost: float) -> None:
        shares = max(cost, float(_AT_ONCE // self._budget.interval))
        wait = await self._budgets.reserve(self._budget, shares)
        self._in_hand, self._usable_at = shares, self._clock() + wait.total_seconds()
        self._lost_at = self._usable_at + _KEPT_FOR.total_seconds()

    def freeze(self, duration: timedelta) -> None:
        """Be silent for this long from now on, and tell all the others."""
        self._own.freeze(duration)
        self._in_hand, self._freezes = 0.0, self._freezes + 1
        task = asyncio.create_task(self._tell(self._clock() + duration.total_seconds()))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, until: float) -> None:
        """Tell the others, for as long as it is of use to them."""
        is_said = False
        while (rest := until - self._clock()) > 0:
            try:
                await self._budgets.silence(self._budget, timedelta(seconds=rest))
            except CatalogError as error:
                if not is_said:
                    log.warning("silence_not_told", seconds=rest, error=str(error))
                is_said = True
                await self._sleep(min(rest, _TELL_AGAIN.total_seconds()))
            else:
                return

    async def told(self) -> None:
        """Return when every silence has been told to the others, or could not be for two seconds."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=_TELL_WITHIN.total_seconds())
        for task in (left := set(self._telling)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class ToldPacer:
    """A ``Pacer`` that tells of its silences: each by the seconds that it adds to those before it."""

    def __init__(self, pacer: Pacer, on_silence: Callable[[float], None], clock: Callable[[], float] = time.monotonic):
        self._pacer = pacer
        self._on_silence = on_silence
        self._clock = clock
        self._silent_until = float("-inf")

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until a request of this cost may go out, and take its share."""
        await self._pacer.turn(cost)

    def freeze(self, duration: timedelta) -> None:
        """Be silent for this long from now on."""
        self._pacer.freeze(duration)
        now = self._clock()
        until = now + duration.total_seconds()
        if until > self._silent_until:
            self._on_silence(until - max(now, self._silent_until))
            self._silent_until = until


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
