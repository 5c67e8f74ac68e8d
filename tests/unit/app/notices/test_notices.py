"""Notices delivered to a real receiver, with what was told kept in a real catalog."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from archiver.app.config.schema import NotifyConfig
from archiver.app.notices.notices import Notices
from archiver.app.notices.watch import Bounds
from archiver.catalog.postgres import Catalog
from archiver.model.errors import Unreachable
from archiver.model.secret import Secret
from archiver.net.hooks import hook_client
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.catalog import ListingStatus
from tests.system.service import Receiver, receiver
from tests.unit.app.ops.accounts import ACME, NOW, RECORDINGS, make_status, make_vitals

HASTY = RetryPolicy(max_attempts=3, backoff=timedelta(milliseconds=5))
BOUNDS = Bounds(failing_intervals=1, max_walk_age=timedelta(hours=2))


@asynccontextmanager
async def telling(hooks: Receiver) -> AsyncIterator[Notices]:
    """Notices for a receiver."""
    config = NotifyConfig(
        webhook=Secret(f"http://127.0.0.1:{hooks.port}/canary"), heartbeat=Secret(f"http://127.0.0.1:{hooks.port}/b")
    )
    async with hook_client() as client:
        notices = Notices(config, BOUNDS, client, HASTY)
        try:
            yield notices
        finally:
            await notices.close()


async def test_of_many_processes_one_tells(catalog: Catalog) -> None:
    """What is wrong is told once, by whichever of four processes sees it first, and once that it is over."""
    vitals = make_vitals()
    vitals.accounts[ACME].fail(Unreachable("refused"), NOW)
    async with receiver() as hooks, telling(hooks) as notices:
        for _ in range(3):
            await asyncio.gather(*(notices.look(catalog, [make_status()], vitals, NOW) for _ in range(4)))
        await hooks.until_told("account_failing", 1)
        vitals.accounts[ACME].recover()
        later = await catalog.now() + timedelta(minutes=1)
        walked = ListingStatus(last_at=later, last_complete_at=later, is_complete=True, doubt=None)
        for _ in range(3):
            await notices.look(catalog, [make_status(walks={RECORDINGS: walked})], vitals, later)
        await hooks.until_told("account_failing", 2)
    assert hooks.told("account_failing") == ["begun", "over"]
    assert len({notice["id"] for notice in hooks.notices}) == 2
    assert hooks.notices[0]["facts"]["code"] == "unreachable"


async def test_hosts_that_see_different_things_do_not_contradict_each_other(catalog: Catalog) -> None:
    """A host that saw an account fail tells it; one that saw nothing tells no recovery before the account was walked
    since, by whomever."""
    failing, idle = make_vitals(), make_vitals()
    failing.accounts[ACME].fail(Unreachable("refused"), NOW)
    now = await catalog.now()
    walked = ListingStatus(last_at=now, last_complete_at=now - timedelta(minutes=5), is_complete=False, doubt="refused")
    again = ListingStatus(last_at=now, last_complete_at=now + timedelta(minutes=1), is_complete=True, doubt=None)
    async with receiver() as hooks, telling(hooks) as notices:
        for _ in range(3):
            await notices.look(catalog, [make_status(walks={RECORDINGS: walked})], failing, now)
            await notices.look(catalog, [make_status(walks={RECORDINGS: walked})], idle, now)
        await hooks.until_told("account_failing", 1)
        for _ in range(3):
            await notices.look(catalog, [make_status(walks={RECORDINGS: again})], idle, now)
        await hooks.until_told("account_failing", 2)
    assert hooks.told("account_failing") == ["begun", "over"]


async def test_more_of_the_same_is_told_and_less_is_not(catalog: Catalog) -> None:
    """Suspects are told when they grow, not when they shrink."""
    async with receiver() as hooks, telling(hooks) as notices:
        for count, told in ((3, 1), (3, 1), (2, 1), (4, 2)):
            await notices.look(catalog, [make_status(suspects=count)], make_vitals(), NOW)
            await hooks.until_told("suspects", told)
    assert [notice["facts"]["suspects"] for notice in hooks.notices] == [3, 4]


async def test_a_receiver_that_is_away_is_called_again(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    """A receiver may fail for a while; one that fails for good finds the notice again at a later look. Nothing of the
    address but its host is ever said (S5)."""
    async with receiver() as hooks, telling(hooks) as notices:
        hooks.refusals = 2
        await notices.look(catalog, [make_status(suspects=1)], make_vitals(), NOW)
        await hooks.until_told("suspects", 1)
        hooks.refusals = 3
        notices.lease = timedelta(milliseconds=300)
        async with asyncio.timeout(20):
            while len(hooks.told("suspects")) < 2:
                await notices.look(catalog, [make_status(suspects=2)], make_vitals(), NOW)
                await asyncio.sleep(0.02)
    assert "canary" not in capsys.readouterr().out
    assert "canary" not in json.dumps(hooks.notices)


async def test_the_heart_beats() -> None:
    """A good cycle calls the heartbeat, once."""
    async with receiver() as hooks, telling(hooks) as notices:
        notices.beat()
        async with asyncio.timeout(10):
            while notices._tasks:
                await asyncio.sleep(0.01)
    assert hooks.beats == 1
