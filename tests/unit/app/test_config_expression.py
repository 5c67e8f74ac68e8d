"""Schedules as operators write them."""

from datetime import timedelta

import pytest

from archiver.app.config.expression import Cron, Every, parse_expression


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("every 15m", timedelta(minutes=15)),
        ("EVERY 1h 30m", timedelta(minutes=90)),
        (" every  1s ", timedelta(seconds=1)),
    ],
)
def test_every(text: str, interval: timedelta) -> None:
    """``every`` takes any duration of a second or more."""
    assert parse_expression(text) == Every(interval)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("* * * * *", "* * * * *"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("17 3 * * *", "17 3 * * *"),
        ("5/20 0-6/3 1,15 jan-mar,12 *", "5,25,45 0,3,6 1,15 1,2,3,12 *"),
        ("0 0 * * 0", "0 0 * * sun"),
        ("0 0 * * 7", "0 0 * * sun"),
        ("0 0 * * 1-5", "0 0 * * mon,tue,wed,thu,fri"),
        ("0 0 * * 5-7", "0 0 * * sun,fri,sat"),
        ("0 0 * * Fri-Sun", "0 0 * * sun,fri,sat"),
        ("0 0 * * sun-tue", "0 0 * * sun,mon,tue"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_cron(text: str, canonical: str) -> None:
    """Numbers, names, lists, ranges and steps; weekdays become names, with Sunday as 0 or 7."""
    cron = parse_expression(text)
    assert isinstance(cron, Cron)
    assert str(cron) == canonical


@pytest.mark.parametrize(
    "text",
    ["every", "every day", "every 0", "every 10ms", "", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *",
     "* * 0 * *", "* * * 13 *", "* * * * 8", "* * * * monday", "*/0 * * * *", "30-10 * * * *", "1,,2 * * * *",
     "-5 * * * *", "0 0 31 2 *", "0 0 31 apr,jun *", "٣ * * * *"],
)  # fmt: skip
def test_refused(text: str) -> None:
    """What is no schedule, or could never come, is refused with an example or the bounds."""
    with pytest.raises(ValueError, match=r"write it like|goes from|before it begins|never comes|too often"):
        parse_expression(text)


def test_every_form_reads_its_own_text() -> None:
    """What a schedule prints is what it can be read from."""
    for text in ("every 15m", "*/7 2-4 * feb mon-fri"):
        assert parse_expression(str(parse_expression(text))) == parse_expression(text)
