"""Many processes with one rate, on a loop whose time goes by at once: no test waits."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from archiver.model.units import Rate, parse_rate
from archiver.net.pacing import AccountPacer, SharedPacer, budget_of, shared_pacer
from archiver.ports.coordination import Budget
from tests.fakes.coordination import FakeCoordination
from tests.unit.net.hasty import hasty_loop, run_hastily

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Distant:
    """Budgets that lie some way off: every answer takes its time."""

    near: FakeCoordination
    way: Callable[[], float]

    async def reserve(self, budget: Budget, cost: float) -> timedelta:
        """Ask from afar."""
        await asyncio.sleep(self.way())
        wait = await self.near.reserve(budget, cost)
        await asyncio.sleep(self.way())
        return wait

    async def silence(self, budget: Budget, duration: timedelta) -> None:
        """Tell from afar."""
        await asyncio.sleep(self.way())
        await self.near.silence(budget, duration)

    async def silent_for(self, budget: Budget) -> timedelta:
        """Look from afar."""
        await asyncio.sleep(self.way())
        return await self.near.silent_for(budget)


@dataclass(slots=True)
class Crowd:
    """Processes that share the budget of a credential."""

    rate: Rate
    burst: float
    budgets: FakeCoordination
    chance: random.Random

    def pacer(self) -> SharedPacer:
        """The pacer of one more process."""
        loop = hasty_loop()
        budgets = Distant(self.budgets, lambda: self.chance.uniform(0.0002, 0.003))
        own = AccountPacer(self.rate, self.burst, loop.time, asyncio.sleep)
        return SharedPacer(budgets, budget_of("it", self.rate, self.burst), own, asyncio.sleep, loop.time)


def crowd_of(rate: str, burst: float = 1) -> Crowd:
    """Nobody yet."""
    return Crowd(parse_rate(rate), burst, FakeCoordination(hasty_loop().moment), random.Random(7))


class SlidingServer:
    """Admits so many requests in any minute; the others get a 429 that names the wait, in whole seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.passed = deque[float]()
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


async def ask_for(crowd: Crowd, server: SlidingServer, hours: float, way: float) -> int:
    """Four processes that ask without a rest, each request under way for up to ``way`` seconds; answers how many."""
    loop, sent = hasty_loop(), 0

    async def request(pacer: SharedPacer) -> None:
        await asyncio.sleep(crowd.chance.uniform(0, way))
        if (wait := server.ask(loop.time())) is not None:
            pacer.freeze(timedelta(seconds=wait))

    async def process(pacer: SharedPacer, group: asyncio.TaskGroup) -> None:
        nonlocal sent
        while loop.time() < hours * 3600:
            await pacer.turn()
            sent += 1
            group.create_task(request(pacer))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(process(crowd.pacer(), group))
    return sent


@pytest.mark.parametrize(("rate", "per_minute"), [("10/min", 10), ("60/min", 60), ("5/s", 300), ("100/s", 6000)])
def test_four_processes_share_a_quota(rate: str, per_minute: int) -> None:
    """P1: four processes that want more than the rate use nine tenths of it, and at most one request in a hundred is
    refused by a provider that counts any minute."""
    server, hours = SlidingServer(per_minute), 0.05 if per_minute > 1000 else 2
    sent = run_hastily(_share(rate, server, hours))
    assert sent - server.refused >= 0.9 * 60 * per_minute * hours
    assert server.refused <= 0.01 * sent


async def _share(rate: str, server: SlidingServer, hours: float) -> int:
    return await ask_for(crowd_of(rate), server, hours, way=0.25)


def test_the_rate_is_never_exceeded() -> None:
    """P1: no second holds more turns of four processes than the rate, and what each may be late with."""

    async def main() -> list[float]:
        crowd, times = crowd_of("100/s"), list[float]()

        async def process(pacer: SharedPacer) -> None:
            for _ in range(500):
                await pacer.turn()
                times.append(hasty_loop().time())

        await asyncio.gather(*(process(crowd.pacer()) for _ in range(4)))
        return sorted(times)

    times = run_hastily(main())
    assert all(sum(begin <= one < begin + 1 for one in times) <= 99 + 4 for begin in times[:-100:7])
    assert (len(times) - 1) / (times[-1] - times[0]) == pytest.approx(99, rel=0.05)


def test_a_silence_is_kept_by_those_who_only_hear_of_it() -> None:
    """P1: while one process was told to be silent no other one sends anything, whether it slept, asks anew, or has
    shares in hand; afterwards they come one by one."""

    async def main() -> list[float]:
        crowd, loop, times = crowd_of("60/min", 5), hasty_loop(), list[float]()

        async def process(pacer: SharedPacer) -> None:
            while loop.time() < 400:
                await pacer.turn()
                times.append(loop.time())

        async def refused(pacer: SharedPacer) -> None:
            await asyncio.sleep(100)
            pacer.freeze(timedelta(seconds=200))

        told = crowd.pacer()
        await asyncio.gather(*(process(one) for one in (told, crowd.pacer(), crowd.pacer())), refused(told))
        return sorted(times)

    times = run_hastily(main())
    assert not [one for one in times if 100.05 < one < 300]
    after = [one for one in times if one >= 300]
    assert after[0] < 303
    assert min(later - earlier for earlier, later in pairwise(after)) > 0.9


def test_a_cancelled_wait_takes_no_share() -> None:
    """Who gives up waiting leaves the share to the next one."""

    async def main() -> float:
        crowd, loop = crowd_of("1/min"), hasty_loop()
        pacer = crowd.pacer()
        await pacer.turn()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pacer.turn(), 2)
        await pacer.turn()
        return loop.time()

    assert run_hastily(main()) == pytest.approx(60 / 0.99, abs=0.1)


def test_without_a_catalog_a_process_keeps_its_own_pace() -> None:
    """P1: a catalog that is away makes nobody faster, which is said once; when it is back the rate is common again."""

    async def main() -> tuple[int, float]:
        crowd, loop = crowd_of("60/min"), hasty_loop()
        pacer = crowd.pacer()
        crowd.budgets.is_away = True
        for _ in range(61):
            await pacer.turn()
        alone = loop.time()
        crowd.budgets.is_away = False
        await asyncio.gather(*(_turns(one, 30) for one in (pacer, crowd.pacer())))
        return round(alone), loop.time() - alone

    with capture_logs() as lines:
        alone, common = run_hastily(main())
    assert alone == 61
    assert 52 <= common <= 67  # each for itself would be done in half the time; the catalog is asked again after 5 s
    assert [line["event"] for line in lines] == ["rate_not_shared", "rate_shared_again"]


async def _turns(pacer: SharedPacer, count: int) -> None:
    for _ in range(count):
        await pacer.turn()


def test_a_silence_is_told_as_soon_as_it_can_be() -> None:
    """P1: a silence that the catalog did not hear at first is told when it is back, with what is left of it."""

    async def main() -> timedelta:
        crowd = crowd_of("60/min")
        pacer = crowd.pacer()
        crowd.budgets.is_away = True
        pacer.freeze(MINUTE)
        await asyncio.sleep(10)
        crowd.budgets.is_away = False
        await asyncio.sleep(2)
        return await crowd.budgets.silent_for(budget_of("it", crowd.rate, 1))

    with capture_logs() as lines:
        left = run_hastily(main())
    assert timedelta(seconds=47) < left < timedelta(seconds=49)
    assert [line["event"] for line in lines] == ["silence_not_told"]


def test_what_cannot_be_told_holds_nobody_up() -> None:
    """A pacer is closed within seconds, told or not, and leaves no task behind."""

    async def main() -> tuple[float, int]:
        crowd, loop = crowd_of("60/min"), hasty_loop()
        crowd.budgets.is_away = True
        async with shared_pacer(crowd.budgets, budget_of("it", crowd.rate, 1), AccountPacer(crowd.rate, 1)) as pacer:
            pacer.freeze(timedelta(days=1))
        return loop.time(), len(asyncio.all_tasks())

    seconds, tasks = run_hastily(main())
    assert seconds == pytest.approx(2, abs=0.1)
    assert tasks == 1


def test_a_login_costs_what_it_costs() -> None:
    """P1: a login of ten shares keeps the other processes waiting for its payment."""

    async def main() -> float:
        crowd, loop = crowd_of("1/s"), hasty_loop()
        await crowd.pacer().turn(10)
        await crowd.pacer().turn()
        return loop.time()

    assert run_hastily(main()) == pytest.approx(10 / 0.99, abs=0.1)
