"""Who uses the server: everybody inside counts while alive, and the last one out stops it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from archiver.catalog.embedded.home import Home
from archiver.catalog.embedded.lock import Lock
from archiver.model.errors import CatalogUnavailable

_LEAVE_LIMIT_SECONDS = 20.0
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def as_user(home: Home, stop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Be one of the server's users; ``stop`` is awaited on the way out if no other is left."""
    with home.lock("users") as users:
        async with home.turn():
            users.try_shared()  # never refused: who holds it alone does so only within a turn
        try:
            yield
        finally:
            await _uninterrupted(_leave(home, users, stop))


async def _leave(home: Home, users: Lock, stop: Callable[[], Awaitable[None]]) -> None:
    try:
        async with home.turn(_LEAVE_LIMIT_SECONDS):
            if users.try_exclusive():
                await stop()
    except CatalogUnavailable as error:  # somebody is at it for long: that one is a user too, and leaves after us
        _log.info("catalog_server_left", reason=str(error))


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """See the work through although we are cancelled meanwhile; a second cancellation ends it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
