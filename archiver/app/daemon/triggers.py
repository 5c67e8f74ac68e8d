"""When runs are due: the scheduler's triggers for our expressions, in UTC whatever the zone of the wall clock.

The scheduler's own cron trigger fires twice where the clock is set back, takes a day only when the day of the month and
the weekday fit, and forgets all but one of the times that a clock set forward steps over. So it only keeps the calendar
here. Times are as in crontab: a day fits by either field where both are given; what lies in an hour that is left out
comes after it; in an hour that comes twice a run of a given hour comes once, and one of every hour in both.

Intervals are aligned to the epoch, so that every host of a catalog has the same fire times.

Source: https://apscheduler.readthedocs.io/en/3.x/modules/triggers/cron.html, read 2026-11-26.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from archiver.app.config.expression import Cron, Every, Expression

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_MOST_SHIFT: Final = timedelta(hours=3)
"""No clock is set by more than this."""
_EVERY_HOUR: Final = frozenset({"*", ",".join(map(str, range(24)))})
_REACHES: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 60, 24 * 60, 32 * 24 * 60, 366 * 24 * 60))


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
