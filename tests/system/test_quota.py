"""The quota of a provider over minutes of real time; asked for with ``ARCHIVER_SLOW=1``, since it takes as long."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.system.oracle import consult
from tests.system.stage import staged

MINUTES = 3.0


@pytest.mark.skipif("ARCHIVER_SLOW" not in os.environ, reason="takes three minutes; ask for it with ARCHIVER_SLOW=1")
@pytest.mark.parametrize(("per_minute", "processes"), [(10, 1), (60, 1), (60, 4)])
async def test_the_quota_is_used_and_never_exceeded(
    tmp_path: Path, catalog_dsn: str, per_minute: int, processes: int
) -> None:
    """P1: with a sliding window of a minute at least 90 % of the quota is used, by one process or by four together, and
    at most one request in a hundred is refused; by one process none is."""
    count = int(per_minute * MINUTES)
    options = ("--provider", "vonage_vbc", "--vbc-quota", str(per_minute), "--recordings", str(count))
    async with staged(tmp_path, catalog_dsn, *options, "--audio-seconds", "1", "--late-arrivals", "0") as stage:
        stage.within_s = 90 * MINUTES
        started = time.monotonic()
        answers = await asyncio.gather(*(stage.run("backfill", "--json") for _ in range(processes)))
        elapsed_s = time.monotonic() - started
        assert [answer.code for answer in answers] == [0] * processes, answers[0].stdout
        await consult(stage)
        requests = (await stage.ledger())["requests"]
    counted = requests["list"] + requests["retrieve"] + requests["media"]
    assert requests["refused"] <= (0.01 * counted if processes > 1 else 0)
    assert counted >= 0.9 * per_minute * elapsed_s / 60, f"{counted} requests in {elapsed_s:.0f} s"
