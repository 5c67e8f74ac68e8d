"""What the endpoint knows of the catalog: asked for once, however many ask, and never waited for long."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

from archiver.model.errors import CatalogUnavailable
from archiver.ports.catalog import AccountStatus, View
from archiver.ports.statistics import Hour, Statistics, Troubled, Waiting

FRESH_FOR: Final = timedelta(seconds=1)
CHART_FRESH_FOR: Final = timedelta(seconds=30)
ANSWER_WITHIN: Final = timedelta(seconds=2)
"""How long an answer is waited for: probes seldom have more patience than that."""

DAY: Final = timedelta(hours=23)
MOST_TROUBLED: Final = 5
MOST_WAITING: Final = 3

T = TypeVar("T")


class Source(View, Statistics, Protocol):
    """The catalog, as the endpoint reads it."""

    async def now(self) -> datetime:
        """The catalog's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """How far everything was at ``at``, by the catalog; ``waiting`` are the most urgent of each account."""

    at: datetime
    statuses: Sequence[AccountStatus]
    waiting: Sequence[Waiting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a page shows beside: what was stored by hour, and what somebody should look at."""

    hours: Sequence[Hour]
    troubled: Sequence[Troubled]


class Kept(Generic[T]):
    """An answer that is kept for a while, and asked for once at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]], fresh_for: timedelta) -> None:
        self._ask = ask
        self._fresh_for = fresh_for.total_seconds()
        self._answer: T | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[T] | None = None

    @property
    def latest(self) -> T | None:
        """The latest answer there was, however old; None before the first."""
        return self._answer

    async def get(self) -> T:
        """The answer. Raises: CatalogUnavailable when it does not come within ``ANSWER_WITHIN``; CatalogError."""
        if self._answer is not None and time.monotonic() - self._asked_at < self._fresh_for:
            return self._answer
        if self._asking is None:
            self._asking = asyncio.create_task(self._renew())
            self._asking.add_done_callback(self._asked)
        try:
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                return await asyncio.shield(self._asking)
        except TimeoutError as error:
            raise CatalogUnavailable("the catalog does not answer in time") from error

    async def _renew(self) -> T:
        asked_at = time.monotonic()
        answer = self._answer = await self._ask()
        self._asked_at = asked_at
        return answer

    def _asked(self, task: "asyncio.Task[T]") -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever still waits has it; nobody need be told again


class Glances:
    """Glances at a catalog, which may not be reached yet."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self._glance = Kept(self._look, FRESH_FOR)
        self._figures = Kept(self._figure, CHART_FRESH_FOR)

    @property
    def latest(self) -> Glance | None:
        """The latest glance there was, however old; None before the first."""
        return self._glance.latest

    async def glance(self) -> Glance:
        """How far everything is. Raises: CatalogError."""
        return await self._glance.get()

    async def figures(self) -> Figures:
        """What a page shows beside. Raises: CatalogError."""
        return await self._figures.get()

    def _reached(self) -> Source:
        if self.source is None:
            raise CatalogUnavailable("the catalog was not reached yet")
        return self.source

    async def _look(self) -> Glance:
        source = self._reached()
        statuses, waiting = await source.status(), await source.waiting(MOST_WAITING)
        return Glance(statuses=statuses, waiting=waiting, at=await source.now())

    async def _figure(self) -> Figures:
        source = self._reached()
        return Figures(hours=await source.throughput(DAY), troubled=await source.troubled(MOST_TROUBLED))
