"""The timetable: what the scheduler makes of an expression, and how ticks become bells."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent

from archiver.app.config.accounts import AccountSchedule
from archiver.app.config.expression import parse_expression
from archiver.app.daemon.schedule import Timetable, trigger_of
from archiver.model.account import AccountName
from archiver.ports.coordination import RunKind

ACME = AccountName("acme")
THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


def fires(text: str, count: int, start: datetime = THURSDAY) -> list[str]:
    """When an expression comes next, from a Thursday's noon on."""
    trigger, last, found = trigger_of(parse_expression(text), UTC), None, list[str]()
    for _ in range(count):
        last = trigger.get_next_fire_time(last, last + timedelta(microseconds=1) if last else start)
        found.append(f"{last:%a %d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 6 * * 0", ["Sun 29 06:30", "Sun 06 06:30"]),
        ("30 6 * * 7", ["Sun 29 06:30", "Sun 06 06:30"]),
        ("0 0 * * mon-tue", ["Mon 30 00:00", "Tue 01 00:00"]),
        ("17 3 * * *", ["Fri 27 03:17", "Sat 28 03:17"]),
        ("0 0 28 * sun", ["Sat 28 00:00", "Sun 29 00:00"]),
        ("*/15 * * * *", ["Thu 26 12:00", "Thu 26 12:15"]),
        ("every 6h", ["Thu 26 12:00", "Thu 26 18:00"]),
        ("every 7m", ["Thu 26 12:01", "Thu 26 12:08"]),
    ],
)
def test_an_expression_comes_when_crontab_says(text: str, expected: list[str]) -> None:
    """T1: Sunday is 0 and 7, a day fits by either field, and intervals are aligned to the epoch on every host."""
    assert fires(text, 2) == expected


async def test_a_tick_rings_with_its_fire_time() -> None:
    """T1: a bell is rung with the latest time that was due, and told how many earlier ones passed unseen."""
    rung: list[Any] = []
    table = Timetable(UTC, lambda *due: rung.append(due))
    every = parse_expression("every 1h")
    table.set(ACME, AccountSchedule(walk=every, full_walk=every, verify=every, delete=every))
    times = [THURSDAY + timedelta(hours=number) for number in range(3)]
    event = JobSubmissionEvent(EVENT_JOB_SUBMITTED, f"{ACME} {RunKind.WALK}", "default", times)
    table._submitted(event)
    assert rung == [(ACME, RunKind.WALK, times[-1], 2)]
    table.set(ACME, None)
    table._submitted(event)
    assert len(rung) == 1


async def test_a_running_timetable_says_what_comes_next() -> None:
    """The next fire time is known while it runs; a run that an account does not have is never due."""
    table = Timetable(UTC, lambda *_: None)
    every = parse_expression("every 1h")
    table.set(ACME, AccountSchedule(walk=every, full_walk=every, verify=every, delete=every))
    async with table.running():
        due = table.next_at(ACME, RunKind.WALK)
        assert due is not None
        assert timedelta(0) <= due - datetime.now(UTC) <= timedelta(hours=1)
        assert due.minute == due.second == 0
        assert table.next_at(ACME, RunKind.DELETE) is None
