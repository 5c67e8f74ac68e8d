"""Tokens that end: one per account, renewed before they do or when one is refused, by one request at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archiver.model.secret import Secret

_EARLY: Final = timedelta(minutes=2)
"""A token is renewed so long before its end, so that none ends on its way; short-lived ones at four fifths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token. ``lasts`` is None for one that has no known end; ``refresh`` can be exchanged for the next."""

    value: Secret
    lasts: timedelta | None = None
    refresh: Secret | None = None
    account_id: str | None = None


Obtain = Callable[[Token | None], Awaitable[Token]]
"""Gets a token from the provider; the last one is given, for its ``refresh``."""


class TokenKeeper:
    """Keeps an account's token in memory, and nowhere else."""

    def __init__(self, obtain: Obtain, clock: Callable[[], float] = time.monotonic) -> None:
        self._obtain = obtain
        self._clock = clock
        self._token: Token | None = None
        self._ends_at = float("inf")
        self._turn = asyncio.Lock()

    async def current(self) -> Token:
        """A token that is good for now. Raises: what obtaining one raises."""
        async with self._turn:
            if self._token is None or self._clock() >= self._ends_at:
                return await self._renew()
            return self._token

    async def after(self, refused: Token) -> Token:
        """The token to use after one was refused: a new one, unless somebody renewed it meanwhile."""
        async with self._turn:
            if self._token is None or self._token == refused:
                return await self._renew()
            return self._token

    async def _renew(self) -> Token:
        asked_at = self._clock()
        self._token = token = await self._obtain(self._token)
        self._ends_at = float("inf")
        if token.lasts is not None:
            usable = max(token.lasts - _EARLY, token.lasts * 0.8)
            self._ends_at = asked_at + usable.total_seconds()
        return token
