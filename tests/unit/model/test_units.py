"""Durations, sizes and rates, as people write them and back."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.units import Rate, format_duration, format_size, parse_duration, parse_rate, parse_size

seeded = settings(derandomize=True, database=None, deadline=None)
MILLISECOND = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", timedelta(0)),
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("15min", timedelta(minutes=15)),
        ("6h", timedelta(hours=6)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("7y", timedelta(days=2555)),
        ("1h30m", timedelta(minutes=90)),
        (" 1.5 h ", timedelta(minutes=90)),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    """Every unit of the contract, sums and fractions are durations."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "-5m", "5M", "1h 30", "m", "1e3s", "5 parsecs", "٣s", "9999999999y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A ValueError quotes the text; a duration too long to count is refused like any other."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@seeded
@given(st.integers(0, 10**14))
def test_a_written_duration_reads_the_same(milliseconds: int) -> None:
    """Formatting loses nothing: whatever whole number of milliseconds is written reads as itself."""
    duration = milliseconds * MILLISECOND
    assert abs(parse_duration(format_duration(duration)) - duration) < MILLISECOND


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (90, "90s"),
        (900, "15m"),
        (129_600, "36h"),
        (1_209_600, "2w"),
        (1.5, "1500ms"),
        (1_000_001, "1000001s"),
    ],
)
def test_durations_are_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    """The unit is the largest that shows the duration whole."""
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("44", 44),
        ("500kB", 500_000),
        ("8MiB", 8 << 20),
        ("4 GiB", 4 << 30),
        ("1.5kib", 1536),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    """Units of 1000 and of 1024 are told apart, in any case."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "8 MiBs", "MiB", "1e3", "8MiB4kB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A ValueError quotes the text."""
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@seeded
@given(st.integers(0, 2**63))
def test_plain_sizes_are_exact(size: int) -> None:
    """A number of bytes is read to the byte."""
    assert parse_size(str(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (13_400_000, "13.4 MB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (999_999_999, "1 GB"),
        (5 * 10**12, "5 TB"),
        (12_345 * 10**12, "12345 TB"),
    ],
)
def test_sizes_are_written_with_three_digits(size: int, text: str) -> None:
    """Rounding up to a thousand goes to the next unit."""
    assert format_size(size) == text


@seeded
@given(st.integers(0, 10**18))
def test_a_written_size_reads_nearly_the_same(size: int) -> None:
    """A written size is a number and a unit, within a hundredth of the truth."""
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.01, abs=0.5)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", Rate(10, timedelta(seconds=1))),
        ("10/min", Rate(10, timedelta(minutes=1))),
        ("600/h", Rate(600, timedelta(hours=1))),
        ("2/250ms", Rate(2, timedelta(milliseconds=250))),
        ("0.5 / s", Rate(0.5, timedelta(seconds=1))),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    """A count and a period are a rate; the period may have a number of its own."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "/s", "10/", "0/s", "-1/s", "10/0s", "nan/s", "inf/s", "ten/s", "1/9999999999y"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    """P1: a rate that asks for nothing, or for no bound at all, is refused."""
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)


@seeded
@given(st.integers(1, 9999), st.integers(1, 100_000))
def test_a_written_rate_reads_the_same(count: int, seconds: int) -> None:
    """Formatting a rate loses nothing."""
    rate = Rate(count, timedelta(seconds=seconds))
    assert parse_rate(str(rate)) == rate


def test_a_rate_has_an_interval() -> None:
    """P1: the even distance between two requests is the period over the count."""
    assert parse_rate("600/h").interval == timedelta(seconds=6)
