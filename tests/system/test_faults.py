"""What interrupts a run: kills, signals, two at once. Afterwards the oracle holds."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.oracle import consult, leftovers, rests
from tests.system.stage import ACCOUNT, Stage, ended, staged

SLOWLY = '"40/s"'


@pytest.fixture
async def slow(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox whose account is paced so that there is a middle to interrupt, and leases that end soon."""
    options = ("--recordings", "60", "--audio-seconds", "2", "--page-cap", "20", "--late-arrivals", "0")
    async with staged(tmp_path, catalog_dsn, *options) as one:
        one.amend('[transfer]\nlease = "2s"\nbackoff = "50ms"', rate_limit=SLOWLY)
        yield one


@pytest.mark.parametrize("seed", range(3))
async def test_sigkill_loses_nothing_and_publishes_nothing_false(slow: Stage, seed: int) -> None:
    """R1, O4, O5: after a SIGKILL in the middle nothing partial lies under a key, and the next run completes it."""
    process = await slow.start("backfill")
    await slow.until_served(random.Random(seed).randrange(1, 45))
    process.kill()
    await process.wait()
    await consult(slow, is_done=False)
    again = await slow.run("backfill", "--json")
    assert again.code == 0, again.stdout + again.stderr
    assert len(await consult(slow)) == 60
    assert await slow.media_requests() <= 60 + 8 * 2, "only what was in flight is fetched again (R5)"
    await rests(slow)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_drains_and_the_next_run_goes_on(slow: Stage, number: signal.Signals, code: int) -> None:
    """T2: the downloads that run are finished, nothing is claimed any more, and no work is done twice."""
    process = await slow.start("backfill")
    await slow.until_served(10)
    process.send_signal(number)
    answer = await ended(process)
    assert answer.code == code
    rows = await consult(slow, is_done=False)
    assert {row["state"] for row in rows} <= {"pending", "verified"}
    assert not leftovers(slow)
    assert (await slow.run("backfill")).code == 0
    await consult(slow)
    assert await slow.media_requests() == 60


async def test_a_second_signal_aborts(slow: Stage) -> None:
    """T2: the second signal ends the run at once, and loses nothing either."""
    process = await slow.start("backfill")
    await slow.until_served(5)
    process.send_signal(signal.SIGINT)
    await asyncio.sleep(0)
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code in {1, 130}
    assert (await slow.run("backfill")).code == 0
    await consult(slow)


async def test_a_process_that_was_stopped_does_no_harm_when_it_wakes_up(slow: Stage) -> None:
    """R5: while it slept its leases ran out and another run did its work; it changes neither rows nor bytes."""
    process = await slow.start("backfill")
    await slow.until_served(10)
    process.send_signal(signal.SIGSTOP)
    assert (await slow.run("backfill")).code == 0
    rows = await consult(slow)
    process.send_signal(signal.SIGCONT)
    await ended(process)
    after = await consult(slow)
    assert [(row["sha256"], row["stored_at"]) for row in rows] == [(row["sha256"], row["stored_at"]) for row in after]
    await rests(slow)


async def test_two_runs_at_once_share_the_work(slow: Stage) -> None:
    """R5, O3: two backfills on one catalog fetch each recording once."""
    slow.config.write_text(slow.config.read_text().replace('lease = "2s"', 'lease = "60s"'))  # nobody dies here
    answers = await asyncio.gather(slow.run("backfill", "--json"), slow.run("backfill", "--json"))
    assert [answer.code for answer in answers] == [0, 0], [answer.stderr for answer in answers]
    assert len(await consult(slow)) == 60
    assert await slow.media_requests() == 60
    assert sum(answer.json["accounts"][ACCOUNT]["done"]["verified"] for answer in answers) == 60
