"""Wait for what no event tells of: a lock set free, or the end of a process that is not our child."""

import asyncio
from collections.abc import Callable

_LOOK_SECONDS = 0.02


async def wait_until(condition: Callable[[], bool], limit_seconds: float) -> bool:
    """Look again and again whether the condition holds; false when it did not within the limit."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True
