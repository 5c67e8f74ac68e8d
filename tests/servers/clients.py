"""Clients of a store that die, or wait for their turn, at a request: what a kill or another writer can hit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_OTHERS = frozenset({"get_paginator", "meta", "exceptions", "can_paginate", "close"})


class Killed(BaseException):
    """The process is no more."""


class MortalClient:
    """Makes so many requests, and dies before the answer to the last one; everything later fails, too."""

    def __init__(self, client: "S3Client", requests: int) -> None:
        self._client = client
        self._left = requests
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        """A request of this name, as long as we live."""
        real = getattr(self._client, name)
        return real if name in _OTHERS else self._mortal(real)

    def _mortal(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(**parameters: Any) -> Any:
            if self.is_dead:
                raise Killed
            answer = await real(**parameters)
            self._left -= 1
            self.is_dead = self._left <= 0
            if self.is_dead:
                raise Killed
            return answer

        return call


class PacedClient:
    """Sends a request only when it is its turn."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client
        self._allowed = asyncio.Semaphore(0)
        self._idle = asyncio.Event()
        self._is_free = False

    def __getattr__(self, name: str) -> Any:
        """A request of this name, which waits for its turn."""
        real = getattr(self._client, name)
        return real if name in _OTHERS else self._paced(real)

    async def advance(self, task: "asyncio.Task[Any]", steps: int) -> None:
        """Let ``task`` make so many requests, and come to the next one or to its end."""
        for _ in range(steps + 1):
            idle = asyncio.ensure_future(self._idle.wait())
            await asyncio.wait([idle, task], return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
            if task.done() or steps == 0:
                return
            steps -= 1
            self._idle.clear()
            self._allowed.release()

    def free(self) -> None:
        """No more turns."""
        self._is_free = True
        self._allowed.release()

    def _paced(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(**parameters: Any) -> Any:
            if not self._is_free:
                self._idle.set()
                await self._allowed.acquire()
            return await real(**parameters)

        return call
