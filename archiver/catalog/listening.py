"""Listening for work that other processes found: a connection of its own, since a pool's release stops listening.

A pooler in front of the server, which lends a connection for a transaction only, takes ``LISTEN`` and delivers nothing.
So a listener first sends itself a word, over another connection: its own might happen to be lent the one that listens.
Where the word does not come back, it says so and leaves it at polling, which everybody does anyway.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from archiver.catalog.pool import open_connection
from archiver.model.account import AccountName
from archiver.model.errors import CatalogError, ConfigError

log = structlog.get_logger()

WORK: Final = "archiver_work"
"""The channel; the word on it is the name of an account that has new recordings."""

_ECHO: Final = "?"
"""No name of an account begins with it."""
ECHO_WITHIN: Final = timedelta(seconds=5)
_LOOK_EVERY: Final = timedelta(seconds=20)
_FIRST_PAUSE: Final = timedelta(milliseconds=250)
_LONGEST_PAUSE: Final = timedelta(seconds=30)


class _Deaf(Exception):
    """Our own word did not come back."""


@asynccontextmanager
async def listening_at(
    dsn: str, on_work: Callable[[AccountName], None], echo_within: timedelta = ECHO_WITHIN
) -> AsyncIterator[None]:
    """Call ``on_work`` for every account that a process on the catalog found new recordings of, while this is open.

    Never raises: a connection that is lost is made again, and polling goes on meanwhile. ``echo_within`` is how long
    its own first word may take.
    """
    task = asyncio.create_task(_listen(_Ear(dsn, on_work, echo_within)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Ear:
    """Where to listen, and whom to tell."""

    dsn: str
    on_work: Callable[[AccountName], None]
    echo_within: timedelta


async def _listen(ear: _Ear) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            async for _ in _hear(ear):
                pause = _FIRST_PAUSE
        except _Deaf:
            log.warning(
                "listening_impossible",
                fix="set catalog.listen_dsn to the server itself; until then new work of other hosts is polled for",
            )
            return
        except ConfigError as error:
            log.warning("listening_impossible", error=str(error), fix=error.fix)
            return
        except CatalogError as error:
            log.info("listening_interrupted", error=str(error), retry_in_s=pause.total_seconds())
        await asyncio.sleep(pause.total_seconds())
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _hear(ear: _Ear) -> AsyncIterator[None]:
    """Listen on one connection until it is lost; yields whenever it was seen to work.

    Raises: CatalogError; _Deaf when nothing is delivered over it.
    """
    async with open_connection(ear.dsn) as connection:
        echo, lost, word = asyncio.Event(), asyncio.Event(), f"{_ECHO}{uuid4()}"

        def hear(_connection: object, _process: int, _channel: str, payload: object) -> None:
            if payload == word:
                echo.set()
            elif not str(payload).startswith(_ECHO):  # the first word of somebody else
                ear.on_work(AccountName(str(payload)))

        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(WORK, hear)
        async with open_connection(ear.dsn) as another:
            await another.execute("SELECT pg_notify($1, $2)", WORK, word)
        with suppress(TimeoutError):
            await asyncio.wait_for(echo.wait(), ear.echo_within.total_seconds())
        if not echo.is_set():
            await connection.remove_listener(WORK, hear)  # which a lent session would go on with for nobody
            raise _Deaf
        while True:
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), _LOOK_EVERY.total_seconds())
            await connection.execute("SELECT")  # a connection whose other end vanished tells nobody
