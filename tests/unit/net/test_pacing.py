"""The limiter on a steered clock: no test waits."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.model.units import Rate, parse_rate
from archiver.net.pacing import AccountPacer, Backoff, TokenBucket


class Steered:
    """A clock that moves exactly when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        """The time in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time go by at once, and others have a look."""
        await asyncio.sleep(0)
        self.now += seconds


def pacer_of(rate: str, burst: float, time: Steered) -> AccountPacer:
    """A pacer on that clock."""
    return AccountPacer(parse_rate(rate), burst, time.clock, time.sleep)


async def turns(pacer: AccountPacer, time: Steered, count: int) -> list[float]:
    """The times of so many turns, from the first on."""
    taken = []
    for _ in range(count):
        await pacer.turn()
        taken.append(time.now)
    return [moment - taken[0] for moment in taken]


async def test_turns_lie_one_percent_below_the_rate() -> None:
    """P1: at 10 a minute without a burst, turns are 6.06 s apart, so that no sliding minute holds eleven."""
    time = Steered()
    taken = await turns(pacer_of("10/min", 1, time), time, 12)
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    assert min(gaps) == pytest.approx(6.0606, abs=1e-3) == max(gaps)


async def test_a_burst_goes_out_at_once_and_is_paid_off() -> None:
    """A burst of three goes out together; after it turns have their even distance."""
    time = Steered()
    taken = await turns(pacer_of("1/s", 3, time), time, 5)
    assert taken == pytest.approx([0, 0, 0, 1 / 0.99, 2 / 0.99])


async def test_a_rest_saves_up_one_burst_and_no_more() -> None:
    """After a long rest as many turns are free as the burst says."""
    time = Steered()
    pacer = pacer_of("1/s", 2, time)
    await turns(pacer, time, 2)
    time.now += 3600
    assert await turns(pacer, time, 3) == pytest.approx([0, 0, 1 / 0.99])


async def test_a_cost_takes_as_many_shares() -> None:
    """A login that costs more than the burst waits for a full bucket, and the next turn for its payment."""
    time = Steered()
    pacer = pacer_of("10/s", 20, time)
    await pacer.turn(35)
    began = time.now
    await pacer.turn(1)
    assert time.now - began == pytest.approx(16 * 0.1 / 0.99)


async def test_turns_are_given_in_the_order_of_asking() -> None:
    """Those who asked first go first, whatever their requests cost."""
    time, order = Steered(), list[int]()
    pacer = pacer_of("1/s", 1, time)

    async def ask(number: int, cost: float) -> None:
        await pacer.turn(cost)
        order.append(number)

    await asyncio.gather(*(ask(number, cost=3 - number % 3) for number in range(9)))
    assert order == list(range(9))


async def test_nobody_gets_a_turn_while_frozen() -> None:
    """P1: a freeze during somebody's wait holds them too, and a shorter one later shortens nothing."""
    time = Steered()
    pacer = pacer_of("1/s", 5, time)
    pacer.freeze(timedelta(seconds=30))
    pacer.freeze(timedelta(seconds=2))
    began = time.now
    await pacer.turn()
    assert time.now - began == pytest.approx(30)


async def test_a_thaw_is_no_burst() -> None:
    """After a silence turns begin one by one: whoever asked for it is not met by a volley."""
    time = Steered()
    pacer = pacer_of("1/s", 5, time)
    pacer.freeze(timedelta(seconds=30))
    assert await turns(pacer, time, 3) == pytest.approx([0, 1 / 0.99, 2 / 0.99])


async def test_a_freeze_reaches_those_who_sleep() -> None:
    """A wait that a freeze falls into goes on until the thaw."""
    time = Steered()
    pacer = pacer_of("1/s", 1, time)
    await pacer.turn()
    waiting = asyncio.ensure_future(pacer.turn())
    await asyncio.sleep(0)
    pacer.freeze(timedelta(seconds=60))
    began = time.now
    await waiting
    assert time.now - began >= 60


async def test_a_cancelled_wait_takes_no_share() -> None:
    """Whoever gives up waiting costs the next one nothing, and does not block the queue."""
    now = 0.0
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        nonlocal now
        if asleep.is_set():
            now += seconds
            return
        asleep.set()
        await asyncio.Event().wait()

    pacer = AccountPacer(parse_rate("1/s"), 1, lambda: now, sleep)
    await pacer.turn()
    waiting = asyncio.ensure_future(pacer.turn())
    await asleep.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await pacer.turn()
    assert now == pytest.approx(1 / 0.99)


@seed(20261122)
@settings(max_examples=200, deadline=None)
@given(
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=80),
    burst=st.integers(1, 5),
    count=st.integers(1, 20),
)
def test_no_window_holds_more_than_rate_and_burst(pauses: list[float], burst: int, count: int) -> None:
    """P1: however turns are asked for, no sliding period holds more than the rate, and the burst less one."""
    bucket, now, taken = TokenBucket(Rate(count, timedelta(seconds=60)), burst), 0.0, list[float]()
    for pause in pauses:
        now += pause
        now += bucket.delay(1, now)
        bucket.take(1, now)
        taken.append(now)
    for start in taken:
        assert sum(start <= moment < start + 60 for moment in taken) <= count + burst - 1


class SlidingServer:
    """Admits so many requests in any minute; the others get a 429 that names the wait, in whole seconds."""

    def __init__(self, limit: int, used: int = 0) -> None:
        self.limit = limit
        self.passed = deque([0.0] * used)
        self.refused = 0

    def ask(self, now: float) -> int | None:
        """A request arrives: None when it is admitted, else the seconds to wait."""
        while self.passed and self.passed[0] <= now - 60:
            self.passed.popleft()
        if len(self.passed) >= self.limit:
            self.refused += 1
            return math.ceil(self.passed[0] + 60 - now)
        self.passed.append(now)
        return None


def arrivals(bucket: TokenBucket, server: SlidingServer, chance: random.Random, until: float) -> Iterator[float]:
    """Ask without a rest; each request is under way for up to half a second, so they overtake each other."""
    now, under_way = 0.0, list[float]()
    while now < until:
        now += bucket.delay(1, now)
        while under_way and min(under_way) <= now:
            arrived = min(under_way)
            under_way.remove(arrived)
            yield arrived
            if (wait := server.ask(arrived)) is not None:
                bucket.freeze(arrived + 0.05 + wait)
        if bucket.delay(1, now) == 0:
            bucket.take(1, now)
            under_way.append(now + chance.uniform(0.05, 0.5))


@pytest.mark.parametrize("used", [0, 1])
@pytest.mark.parametrize("per_minute", [10, 60, 300])
def test_a_sliding_window_is_used_and_respected(per_minute: int, used: int) -> None:
    """P1: in an hour at least 90 % of a provider's rate is used and at most 1 % of the requests are refused, whether
    its window was empty or used up by an earlier run."""
    server = SlidingServer(per_minute, used=used * per_minute)
    bucket = TokenBucket(Rate(per_minute, timedelta(minutes=1)), 1)
    sent = sum(1 for _ in arrivals(bucket, server, random.Random(7), until=3600))
    assert sent - server.refused >= 0.9 * 60 * per_minute
    assert server.refused <= 0.01 * sent


def test_refusals_double_the_pause_until_a_success() -> None:
    """Without a named wait the pauses are 1, 2, 4 … 60 s, and begin anew after an answer."""
    backoff = Backoff()
    pauses = [backoff.next_pause(sent_at=moment, now=moment + 0.1).total_seconds() for moment in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset(sent_at=99)
    assert backoff.next_pause(sent_at=100, now=101) == timedelta(seconds=1)


def test_a_late_success_is_no_sign_of_peace() -> None:
    """An answer to a request that went out before the refusal does not begin the pauses anew."""
    backoff = Backoff()
    backoff.next_pause(sent_at=10, now=11)
    backoff.reset(sent_at=5)
    assert backoff.next_pause(sent_at=12, now=13) == timedelta(seconds=2)


def test_requests_refused_together_are_one_refusal() -> None:
    """Ten downloads that were under way when the first 429 came don't double the pause ten times."""
    backoff = Backoff()
    pauses = {backoff.next_pause(sent_at=0, now=1 + number / 10) for number in range(10)}
    assert pauses == {timedelta(seconds=1)}
