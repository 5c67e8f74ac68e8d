"""Bells, rung and answered."""

from datetime import UTC, datetime, timedelta

from archiver.app.daemon.bells import Bells
from archiver.ports.coordination import RunKind

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SOON = timedelta(milliseconds=10)


async def test_late_bells_are_one() -> None:
    """T1: what was rung for twice is answered once, with the later time, and the first is told as missed."""
    bells = Bells()
    assert [bells.ring(RunKind.WALK, NOON + timedelta(hours=hour)) for hour in range(2)] == [False, True]
    assert await bells.wait(SOON)
    assert bells.take() == [(RunKind.WALK, NOON + timedelta(hours=1))]
    assert bells.take() == []


async def test_what_is_owed_is_answered_with_the_next_bell() -> None:
    """T1: a run that could not be done waits for another one to be due, and for nobody's lease."""
    bells = Bells()
    bells.owe(RunKind.FULL_WALK, NOON)
    bells.leave(RunKind.VERIFY, NOON)
    assert not await bells.wait(SOON)
    assert bells.take() == [(RunKind.VERIFY, NOON)]
    bells.ring(RunKind.WALK, NOON + timedelta(hours=1))
    assert await bells.wait(SOON)
    assert bells.take() == [(RunKind.FULL_WALK, NOON), (RunKind.WALK, NOON + timedelta(hours=1))]
    assert bells.take() == []


async def test_a_run_of_another_host_is_looked_at_again() -> None:
    """T1: what another host has comes up again after a while, unasked; a newer fire time takes its place."""
    bells = Bells()
    bells.leave(RunKind.FULL_WALK, NOON)
    assert not await bells.wait(SOON)
    assert bells.take() == [(RunKind.FULL_WALK, NOON)]
    bells.leave(RunKind.FULL_WALK, NOON)
    bells.ring(RunKind.WALK, NOON)
    bells.ring(RunKind.FULL_WALK, NOON + timedelta(days=1))
    assert await bells.wait(SOON)
    assert bells.take() == [(RunKind.FULL_WALK, NOON + timedelta(days=1)), (RunKind.WALK, NOON)]
