"""The clock of the daemon: APScheduler's ticks, which only ring bells.

APScheduler 3 cancels the jobs that run when it shuts down, and drops a tick that comes late. So its jobs do nothing but
report that they are due (with all the times that passed meanwhile), and its timer is woken often: it does not see a
machine sleep, nor a clock that is set.

Source: https://apscheduler.readthedocs.io/en/3.x/userguide.html, read 2026-11-22.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, TypeAlias

import structlog
from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from archiver.app.config.accounts import AccountSchedule
from archiver.app.config.expression import Expression
from archiver.app.daemon.triggers import latest_due, trigger_of
from archiver.model.account import AccountName
from archiver.ports.coordination import RunKind

log = structlog.get_logger()

Ring: TypeAlias = "Callable[[AccountName, RunKind, datetime, int], None]"
"""Called when a run is due: its fire time, and how many earlier ones passed unseen."""

_WAKE: Final = timedelta(seconds=5)
"""How late a tick can be after the machine slept."""
_SET_BACK: Final = timedelta(seconds=30)
"""A clock that went back by more than this was set: fire times are computed anew."""
_MOST_MISSED: Final = 1000


class Timetable:
    """When each account's runs are due; it rings while ``running`` is open."""

    def __init__(self, timezone: tzinfo, ring: Ring) -> None:
        self.timezone = timezone
        self._ring = ring
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)
        self._expressions: dict[str, tuple[AccountName, RunKind, Expression]] = {}

    def set(self, account: AccountName, schedule: AccountSchedule | None) -> None:
        """Schedule an account's runs instead of those it had; None takes them away."""
        for name in [name for name, (owner, _, _) in self._expressions.items() if owner == account]:
            del self._expressions[name]
            self._scheduler.remove_job(name)
        if schedule is None:
            return
        for kind, expression in _expressions(schedule).items():
            self._add(account, kind, expression)

    def next_at(self, account: AccountName, kind: RunKind) -> datetime | None:
        """When a run of an account is due next; None when it has no such run."""
        job = self._scheduler.get_job(f"{account} {kind}")
        due: datetime | None = job.next_run_time if job else None
        return due

    def missed(self, account: AccountName, kind: RunKind, since: datetime) -> datetime | None:
        """The last fire time after ``since`` that has come; None when there was none, or there is no such run."""
        if (entry := self._expressions.get(f"{account} {kind}")) is None:
            return None
        return latest_due(entry[2], self.timezone, since, datetime.now(UTC))

    def _add(self, account: AccountName, kind: RunKind, expression: Expression) -> None:
        name = f"{account} {kind}"
        self._expressions[name] = account, kind, expression
        self._scheduler.add_job(
            _nothing,
            trigger_of(expression, self.timezone),
            id=name,
            coalesce=False,  # so that we are told of every time that passed
            misfire_grace_time=None,
            max_instances=_MOST_MISSED,
        )

    def _submitted(self, event: Any) -> None:
        times = event.scheduled_run_times
        if event.job_id in self._expressions:  # else it was taken away while its tick was on the way
            account, kind, _ = self._expressions[event.job_id]
            self._ring(account, kind, times[-1], len(times) - 1)

    async def _watch_clock(self) -> None:
        """Wake the scheduler often, and compute fire times anew when the clock was set back."""
        offset = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_WAKE.total_seconds())
            now = time.time() - time.monotonic()
            if now < offset - _SET_BACK.total_seconds():
                log.warning("clock_set_back", seconds=round(offset - now))
                for name, (account, kind, expression) in list(self._expressions.items()):
                    self._scheduler.remove_job(name)
                    self._add(account, kind, expression)
            offset = now
            self._scheduler.wakeup()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ring while the context is open."""
        self._scheduler.start()
        watching = asyncio.create_task(self._watch_clock())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._scheduler.shutdown(wait=False)


def _expressions(schedule: AccountSchedule) -> Mapping[RunKind, Expression]:
    return {RunKind.WALK: schedule.walk, RunKind.FULL_WALK: schedule.full_walk, RunKind.VERIFY: schedule.verify}


async def _nothing() -> None:
    """What is due is told by an event."""
