"""More processes on one host: workers that carry what falls due, as another host would, under the eyes of this one.

A worker reads the same configuration and has neither a schedule nor an endpoint. It ends with this process, however
that ends: it drains as soon as its standard input is closed. One that died is started again, ever more slowly.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

log = structlog.get_logger()

WORKER: Final = "ARCHIVER_WORKER"
"""The variable of the environment that makes ``archiver run`` a worker."""

_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=1)
_LIVED: Final = timedelta(minutes=5)
"""A worker that lived so long is started again at once."""


async def keep_workers(count: int, grace: timedelta) -> None:
    """Keep ``count`` workers alive until this is cancelled; they get ``grace`` to drain then."""
    async with asyncio.TaskGroup() as group:
        for number in range(1, count + 1):
            group.create_task(_keep(number, grace))


async def _keep(number: int, grace: timedelta) -> None:
    pause = _FIRST_PAUSE
    while True:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *_command(), stdin=asyncio.subprocess.PIPE, env={**os.environ, WORKER: str(number)}
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                await asyncio.shield(_end(process, grace))
        log.warning("worker_died", worker=number, exit_code=code)
        if time.monotonic() - started > _LIVED.total_seconds():
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause.total_seconds())
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _end(process: asyncio.subprocess.Process, grace: timedelta) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 2 * grace.total_seconds())
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _command() -> Sequence[str]:
    """The command line of this very process, but run by its interpreter."""
    return (sys.executable, "-m", "archiver.app.cli.main", *sys.argv[1:])


async def end_of_input() -> None:
    """Return when nobody holds the other end of standard input any more."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, read)
    await ended.wait()
