"""The clock of the daemon: APScheduler's ticks, which only ring bells.

APScheduler 3 cancels the jobs that run when it shuts down, and drops a tick that comes late. So its jobs do nothing but
report that they are due (with all the times that passed meanwhile), and its timer is woken often: it does not see a
machine sleep, nor a clock that is set.

Its cron trigger fires twice where the clock is set back, takes a day only when the day of the month and the weekday
fit, and forgets all but one of the times that a clock set forward steps over. So that one only keeps the calendar, and
times are as in crontab: a day fits by either field where both are given; what lies in an hour that is left out comes
after it; in an hour that comes twice a run of a given hour comes once, and one of every hour in both. Intervals are
aligned to the epoch. So all hosts of a catalog have the same fire times; they are in UTC, whatever the zone.

Source: https://apscheduler.readthedocs.io/en/3.x/userguide.html and …/modules/triggers/cron.html, read 2026-11-26.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, TypeAlias

import structlog
from apscheduler.events import EVENT_JOB_SUBMITTED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from archiver.app.config.accounts import AccountSchedule
from archiver.app.config.expression import Cron, Every, Expression
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
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_MOST_SHIFT: Final = timedelta(hours=3)
"""No clock is set by more than this."""
_EVERY_HOUR: Final = frozenset({"*", ",".join(map(str, range(24)))})
_REACHES: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 60, 24 * 60, 32 * 24 * 60, 366 * 24 * 60))


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
        job = self._scheduler.get_job(_job(account, kind))
        due: datetime | None = job.next_run_time if job else None
        return due

    def missed(self, account: AccountName, kind: RunKind, since: datetime) -> datetime | None:
        """The last fire time after ``since`` that has come; None when there was none, or there is no such run."""
        if (entry := self._expressions.get(_job(account, kind))) is None:
            return None
        return latest_due(entry[2], self.timezone, since, datetime.now(UTC))

    def _add(self, account: AccountName, kind: RunKind, expression: Expression) -> None:
        name = _job(account, kind)
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


class WallClock(BaseTrigger):  # type: ignore[misc]  # the scheduler has no types
    """Fires when the clock on the wall of ``zone`` agrees with a cron expression."""

    def __init__(self, cron: Cron, zone: tzinfo) -> None:
        self._zone = zone
        self._is_hourly = cron.hour in _EVERY_HOUR
        self._calendar = _calendar(cron)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first fire time after the one before; without one, the first from ``now`` on. In UTC."""
        after = previous_fire_time or now - _INSTANT
        due = self._upcoming(after)
        if due is None or not (self._is_near_change(after) or self._is_near_change(due)):
            return due
        return min((time for time in self._around(after, due) if time > after), default=None)

    def _upcoming(self, after: datetime) -> datetime | None:
        wall = self._next_wall(self._wall(after) + _INSTANT)
        while wall is not None and (due := self._first(wall)) <= after:
            wall = self._next_wall(wall + _INSTANT)
        return due if wall is not None else None

    def _around(self, after: datetime, due: datetime) -> Iterator[datetime]:
        """All fire times from ``after`` to ``due``, in no order, and some before and after these."""
        wall, end = self._next_wall(self._wall(after) - _MOST_SHIFT), self._wall(due) + _MOST_SHIFT
        while wall is not None and wall <= end:
            yield self._first(wall)
            if self._is_hourly:
                again = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
                if self._wall(again) == wall:  # else it is left out, and this is a time before it
                    yield again
            wall = self._next_wall(wall + _INSTANT)

    def _is_near_change(self, time: datetime) -> bool:
        """Whether the clock is set shortly before or after a time."""
        before, after = (self._wall(time + shift) - shift for shift in (-_MOST_SHIFT, _MOST_SHIFT))
        return before != after

    def _wall(self, time: datetime) -> datetime:
        return time.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _first(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self._zone).astimezone(UTC)

    def _next_wall(self, wall: datetime) -> datetime | None:
        due: datetime | None = self._calendar.get_next_fire_time(None, wall.replace(tzinfo=UTC))
        return due and due.replace(tzinfo=None)


def _calendar(cron: Cron) -> Any:
    """The days and times of an expression, read as if the wall were in UTC."""
    hours = {"minute": cron.minute, "hour": cron.hour, "month": cron.month, "timezone": UTC}
    if "*" in (cron.day, cron.weekday):
        return CronTrigger(day=cron.day, day_of_week=cron.weekday, **hours)
    return OrTrigger([CronTrigger(day=cron.day, **hours), CronTrigger(day_of_week=cron.weekday, **hours)])


def trigger_of(expression: Expression, zone: tzinfo) -> Any:
    """The scheduler's trigger for an expression; all its times are in UTC."""
    if isinstance(expression, Every):
        return IntervalTrigger(seconds=expression.interval.total_seconds(), start_date=_EPOCH, timezone=UTC)
    return WallClock(expression, zone)


def latest_due(expression: Expression, zone: tzinfo, since: datetime, until: datetime) -> datetime | None:
    """The last fire time after ``since`` and up to ``until``, at most a year before that; None when there was none."""
    trigger = trigger_of(expression, zone)
    for reach in _REACHES:
        start = max(since, until - reach)
        latest, due = None, trigger.get_next_fire_time(None, start + _INSTANT)
        while due is not None and due <= until:
            latest, due = due, trigger.get_next_fire_time(due, until)
        if latest is not None or start == since:
            return latest
    return None


def _expressions(schedule: AccountSchedule) -> Mapping[RunKind, Expression]:
    return {RunKind.WALK: schedule.walk, RunKind.FULL_WALK: schedule.full_walk, RunKind.VERIFY: schedule.verify}


def _job(account: AccountName, kind: RunKind) -> str:
    return f"{account} {kind}"


async def _nothing() -> None:
    """What is due is told by an event."""
