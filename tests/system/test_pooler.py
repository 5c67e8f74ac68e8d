"""The program through PgBouncer in its transaction mode; ``tests/integration/test_pooler.py`` says how to have it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers.pooler import find_pgbouncer, serve_pgbouncer
from tests.system.oracle import consult, leftovers, rests
from tests.system.service import service
from tests.system.stage import Stage, staged

pytestmark = pytest.mark.skipif(find_pgbouncer() is None, reason="no PgBouncer here: apt-get install pgbouncer")


@pytest.fixture
async def pooled(tmp_path: Path, empty_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox with forty short recordings, and an empty catalog behind a pooler with two connections."""
    options = ("--recordings", "40", "--audio-seconds", "1", "--late-arrivals", "0")
    (tmp_path / "pooler").mkdir()
    with serve_pgbouncer(tmp_path / "pooler", empty_dsn) as dsn:
        async with staged(tmp_path, dsn, *options) as stage:
            yield stage


async def test_two_backfills_through_a_pooler(pooled: Stage) -> None:
    """R5, O5: two that start on an empty catalog migrate it once, fetch everything once, and leave an archive at
    rest."""
    answers = await asyncio.gather(pooled.run("backfill"), pooled.run("backfill"))
    assert [answer.code for answer in answers] == [0, 0], answers[0].stderr + answers[1].stderr
    assert len(await consult(pooled)) == 40
    assert await pooled.media_requests() == 40
    assert not leftovers(pooled)
    await rests(pooled)


async def test_a_daemon_through_a_pooler(pooled: Stage) -> None:
    """T2, O5: a daemon behind a pooler says once that it can only poll, archives what comes, and drains."""
    async with service(pooled) as one:
        await one.until_said("recording_verified", 40)
        await one.until_said("listening_impossible")
        await pooled.control(add=5)
        await one.until_said("recording_verified", 45)
        await one.until_ready(lambda status, _: status == 200)
        assert await one.stop(signal.SIGTERM) == 0
    assert len(one.said("listening_impossible")) == 1
    assert len(await consult(pooled)) == 45
