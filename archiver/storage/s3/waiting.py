"""Work that is brought to its end though whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_PATIENCE_S: Final = 15.0
_Answer = TypeVar("_Answer")


async def finished(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """What ``work`` answers. A cancellation is raised once the work has ended, which it gets 15 s for."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _wait(task)
        raise


async def _wait(task: "asyncio.Task[Any]") -> None:
    give_up_at = asyncio.get_running_loop().time() + _PATIENCE_S
    while not task.done() and (left := give_up_at - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.wait([task], timeout=left)
        except asyncio.CancelledError:  # once more: the first one is raised by whoever called
            continue
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
