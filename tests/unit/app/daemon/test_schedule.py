"""The timetable: what the scheduler makes of an expression, and how ticks become bells."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent

from archiver.app.config.accounts import AccountSchedule
from archiver.app.config.expression import parse_expression
from archiver.app.daemon.schedule import Timetable
from archiver.model.account import AccountName
from archiver.ports.coordination import RunKind

ACME = AccountName("acme")
THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


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
