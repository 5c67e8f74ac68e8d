"""What budgets and scheduled runs promise, whoever keeps them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import pytest

from archiver.model.account import AccountName
from archiver.model.units import parse_rate
from archiver.net.pacing import budget_of
from archiver.ports.coordination import Budgets, LatestRun, RunKind, Runs
from tests.builders import ACCOUNT

SLOW: Final = budget_of("vobiz api.example.com MA_1", parse_rate("1/min"), 3)
INTERVAL: Final = SLOW.interval
SLACK: Final = timedelta(seconds=20)
"""What a loaded machine may take for one test, at a rate of one a minute."""

LEASE: Final = timedelta(minutes=1)
SHORT: Final = timedelta(milliseconds=50)
NOON: Final = datetime(2026, 1, 26, 12, tzinfo=UTC)


class Coordination(Budgets, Runs, Protocol):
    """Both ports, as every adapter implements them."""

    async def enrol(self, account: AccountName, provider: str, real_id: str) -> None:
        """Remember who an account is at its provider."""


def is_about(wait: timedelta, expected: timedelta) -> bool:
    """Whether a wait is this long, or shorter by what has gone by since."""
    return expected - SLACK < wait <= expected


class CoordinationContract:
    """What a subclass gives: a fixture ``coordination``, empty, and a ``pass_time`` where time need not really pass."""

    async def pass_time(self, coordination: Coordination, duration: timedelta) -> None:
        """Let the clock go on."""
        await asyncio.sleep(duration.total_seconds())

    @pytest.fixture(autouse=True)
    async def enrolled(self, coordination: Coordination) -> None:
        """Every test finds one account."""
        await coordination.enrol(ACCOUNT, "vobiz", "MA_1")

    async def test_shares_come_one_after_the_other(self, coordination: Coordination) -> None:
        """P1: a burst may be used at once, and every further share one interval after the one before, whoever asks."""
        waits = sorted(await asyncio.gather(*(coordination.reserve(SLOW, 1) for _ in range(6))))
        assert waits[:3] == [timedelta(0)] * 3
        for place, wait in enumerate(waits[3:], start=1):
            assert is_about(wait, place * INTERVAL)

    async def test_a_cost_takes_as_many_shares(self, coordination: Coordination) -> None:
        """What costs more than the burst waits for a full bucket, and the next one for its payment."""
        await coordination.reserve(SLOW, 1)
        assert is_about(await coordination.reserve(SLOW, 5), INTERVAL)
        assert is_about(await coordination.reserve(SLOW, 1), 4 * INTERVAL)

    async def test_credentials_have_budgets_of_their_own(self, coordination: Coordination) -> None:
        """One credential's requests and silences are in no other one's way."""
        await coordination.reserve(SLOW, 30)
        await coordination.silence(SLOW, timedelta(hours=1))
        other = budget_of("vobiz api.example.com MA_2", parse_rate("1/min"), 3)
        assert await coordination.reserve(other, 1) == await coordination.silent_for(other) == timedelta(0)

    async def test_a_silence_ends_in_one_share(self, coordination: Coordination) -> None:
        """P1: nothing may go out during a silence, which a shorter one does not cut, and one share at its end."""
        await coordination.silence(SLOW, timedelta(hours=1))
        await coordination.silence(SLOW, timedelta(minutes=1))
        assert is_about(await coordination.silent_for(SLOW), timedelta(hours=1))
        for place in range(3):
            assert is_about(await coordination.reserve(SLOW, 1), timedelta(hours=1) + place * INTERVAL)

    async def test_a_silence_takes_no_share_back(self, coordination: Coordination) -> None:
        """P1: a short silence does not empty a bucket that was overdrawn further than that."""
        await coordination.reserve(SLOW, 10)
        await coordination.silence(SLOW, timedelta(seconds=30))
        assert is_about(await coordination.reserve(SLOW, 1), 8 * INTERVAL)

    async def test_a_silence_passes(self, coordination: Coordination) -> None:
        """A silence is over when its time is."""
        await coordination.silence(SLOW, SHORT)
        await self.pass_time(coordination, SHORT)
        assert await coordination.silent_for(SLOW) == timedelta(0)

    async def test_a_fire_time_is_begun_once(self, coordination: Coordination) -> None:
        """T1: of many who see a fire time one begins it; once it is done nobody does again, nor an earlier one."""
        for fire_at in (NOON, NOON + LEASE):
            begun = await asyncio.gather(
                *(coordination.begin_run(ACCOUNT, RunKind.WALK, fire_at, LEASE) for _ in range(8))
            )
            (run,) = [lease for lease in begun if lease is not None]
            await coordination.end_run(run)
            await coordination.end_run(run)
            for again in (fire_at, NOON - LEASE):
                assert await coordination.begin_run(ACCOUNT, RunKind.WALK, again, LEASE) is None

    async def test_one_run_of_a_kind_goes_on_at_a_time(self, coordination: Coordination) -> None:
        """T1: a newer fire time waits for the run that is held; other kinds are in nobody's way."""
        run = await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON, LEASE)
        assert run is not None
        assert await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON + LEASE, LEASE) is None
        assert await coordination.begin_run(ACCOUNT, RunKind.VERIFY, NOON, LEASE) is not None
        await coordination.end_run(run)
        assert await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON + LEASE, LEASE) is not None

    async def test_a_run_of_the_dead_is_taken_over(self, coordination: Coordination) -> None:
        """T1: a run whose lease ran out is begun by the next one who looks, and its former holder's word is nothing."""
        dead = await coordination.begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, SHORT)
        assert dead is not None
        await self.pass_time(coordination, SHORT)
        heir = await coordination.begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, LEASE)
        assert heir is not None
        assert not await coordination.renew_run(dead, LEASE)
        await coordination.end_run(dead)
        await coordination.release_run(dead)
        assert await coordination.renew_run(heir, LEASE)
        assert await coordination.begin_run(ACCOUNT, RunKind.FULL_WALK, NOON, LEASE) is None

    async def test_a_run_that_is_renewed_is_kept(self, coordination: Coordination) -> None:
        """T1: renewal holds a run past its first lease, and none has to be renewed that is done."""
        run = await coordination.begin_run(ACCOUNT, RunKind.VERIFY, NOON, SHORT)
        assert run is not None
        assert await coordination.renew_run(run, LEASE)
        await self.pass_time(coordination, SHORT)
        assert await coordination.begin_run(ACCOUNT, RunKind.VERIFY, NOON, LEASE) is None
        await coordination.end_run(run)
        assert not await coordination.renew_run(run, LEASE)

    async def test_a_run_given_back_is_begun_at_once(self, coordination: Coordination) -> None:
        """T1: whoever drains leaves the run to others, who need not wait for its lease; an older one comes with it."""
        run = await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON, LEASE)
        assert run is not None
        await coordination.release_run(run)
        late = await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON - LEASE, LEASE)
        assert late is not None
        await coordination.end_run(late)
        assert await coordination.begin_run(ACCOUNT, RunKind.WALK, NOON, LEASE) is None

    async def test_the_latest_run_is_known(self, coordination: Coordination) -> None:
        """T1: whoever starts can see what was begun last, and whether it was done; a run given back was not."""
        assert await coordination.latest_run(ACCOUNT, RunKind.FULL_WALK) is None
        for fire_at in (NOON, NOON + LEASE):
            run = await coordination.begin_run(ACCOUNT, RunKind.FULL_WALK, fire_at, LEASE)
            assert run is not None
            begun = LatestRun(fire_at=fire_at, is_done=False)
            assert await coordination.latest_run(ACCOUNT, RunKind.FULL_WALK) == begun
            await coordination.end_run(run)
            assert await coordination.latest_run(ACCOUNT, RunKind.FULL_WALK) == replace(begun, is_done=True)
        assert await coordination.latest_run(ACCOUNT, RunKind.VERIFY) is None
        run = await coordination.begin_run(ACCOUNT, RunKind.VERIFY, NOON, LEASE)
        assert run is not None
        await coordination.release_run(run)
        assert await coordination.latest_run(ACCOUNT, RunKind.VERIFY) == LatestRun(fire_at=NOON, is_done=False)

    async def test_who_is_not_enrolled_has_no_runs(self, coordination: Coordination) -> None:
        """A run belongs to an account that is enrolled."""
        assert await coordination.begin_run(AccountName("nobody"), RunKind.WALK, NOON, LEASE) is None
