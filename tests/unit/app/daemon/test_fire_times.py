"""When expressions come: what crontab would say, also where the clock is set."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.app.config.expression import parse_expression
from archiver.app.daemon.schedule import latest_due, trigger_of

THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
BERLIN, HAVANA, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Havana"), ZoneInfo("Australia/Lord_Howe")
FORWARD, BACK = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
"""The days on which Berlin's clock is set, at 1:00 UTC."""


def fires(text: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """When an expression comes from ``start`` to ``end``, as the scheduler asks."""
    trigger, found = trigger_of(parse_expression(text), zone), list[datetime]()
    due = trigger.get_next_fire_time(None, start)
    while due is not None and due <= end:
        found.append(due)
        due = trigger.get_next_fire_time(due, end)
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
    found = fires(text, ZoneInfo("UTC"), THURSDAY, THURSDAY + timedelta(days=14))
    assert [f"{due:%a %d %H:%M}" for due in found[:2]] == expected


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("30 2 * * *", FORWARD, ["01:30"]),  # half past two is left out, and made up for at half past three
        ("15,45 2 * * *", FORWARD, ["01:15", "01:45"]),
        ("30 2 * * *", BACK, ["00:30"]),  # half past two comes twice
        ("30 2 1 * sun", BACK, ["00:30"]),
        ("30 */2 * * *", BACK, ["00:30", "03:30"]),
        ("30 * * * *", BACK, ["00:30", "01:30", "02:30", "03:30"]),
        ("30 * * * *", FORWARD, ["00:30", "01:30", "02:30", "03:30"]),
        ("every 90m", BACK, ["00:00", "01:30", "03:00"]),
        ("every 90m", FORWARD, ["00:00", "01:30", "03:00"]),
    ],
)
def test_a_clock_that_is_set_neither_loses_nor_doubles_a_run(text: str, day: datetime, expected: list[str]) -> None:
    """T1, D5: on the days when summer time begins and ends."""
    found = fires(text, BERLIN, day, day + timedelta(hours=4))
    assert [f"{due:%H:%M}" for due in found] == expected


@given(
    zone=st.sampled_from([BERLIN, HAVANA, LORD_HOWE]),
    minute=st.integers(0, 59),
    hour=st.sampled_from(["*", "0", "1", "2", "3", "*/2"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)).map(lambda time: time.replace(tzinfo=UTC)),  # noqa: DTZ001
)
def test_times_are_in_order_and_none_is_lost(zone: ZoneInfo, minute: int, hour: str, start: datetime) -> None:
    """T1: wherever one begins, fire times grow, and are those that one would have found from further back."""
    text, end = f"{minute} {hour} * * *", start + timedelta(days=2)
    found = fires(text, zone, start, end)
    assert found == sorted(set(found))
    earlier = fires(text, zone, start - timedelta(days=62), end)
    assert found == [due for due in earlier if due >= start]
    if hour.isdecimal():
        days = [due.astimezone(zone).date() for due in earlier]
        assert len(days) == len(set(days))
        assert len(days) >= 60


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("* * * * *", timedelta(days=900), timedelta(0)),
        ("every 1s", timedelta(days=900), timedelta(0)),
        ("17 3 * * *", timedelta(days=900), timedelta(hours=8, minutes=43)),
        ("17 3 * * *", timedelta(hours=8, minutes=44), timedelta(hours=8, minutes=43)),
        ("17 3 * * *", timedelta(hours=8, minutes=43), None),
        ("0 0 1 1 *", timedelta(days=900), THURSDAY - datetime(2026, 1, 1, tzinfo=UTC)),
        ("0 0 29 2 *", timedelta(days=900), None),
    ],
)
def test_what_was_missed_is_found(text: str, since: timedelta, expected: timedelta | None) -> None:
    """T1: the last fire time since another one, which does not count itself."""
    due = latest_due(parse_expression(text), ZoneInfo("UTC"), THURSDAY - since, THURSDAY)
    assert due == (THURSDAY - expected if expected is not None else None)
