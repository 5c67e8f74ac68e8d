"""Order: proven by what a listing shows from end to end, and by nothing less."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.listing import Order, Page
from archiver.pipeline.order import Trace, is_covered
from archiver.ports.catalog import Recorded
from tests.builders import STARTED_AT, make_listed

HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def page(*days: float | None, first: int = 0, has_gap: bool = False) -> Page:
    """A page whose rows began so many days after a fixed moment; they are numbered from ``first`` on."""
    times = [None if day is None else STARTED_AT + day * DAY for day in days]
    rows = tuple(make_listed(f"r{number}", started_at=time) for number, time in enumerate(times, first))
    return Page(rows=rows, has_gap=has_gap)


def order_of(*pages: Page) -> Order:
    """What these pages prove, each of them kept as text in between."""
    trace = Trace()
    for one in pages:
        trace = Trace.parse(trace.follow(one, DAY).as_text())
    return trace.order


@pytest.mark.parametrize(
    ("days", "order"),
    [
        ((9, 8, 5, 1), Order.NEWEST_FIRST),
        ((1, 5, 8, 9), Order.OLDEST_FIRST),
        ((9, 8, 9, 8.5, 5), Order.NEWEST_FIRST),  # out of place by a day at most
        ((9, 8, 9.1, 8.5, 5), Order.NONE),
        ((9, None, 5, None), Order.NEWEST_FIRST),
        ((9, 5, 1, 2.5), Order.NONE),
        ((1, 9, 5), Order.NONE),
        ((9, 8.5, 8), Order.NONE),  # too little to tell
        ((9,), Order.NONE),
        ((None, None), Order.NONE),
        ((), Order.NONE),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 9])
def test_order_is_proven_or_not(days: Sequence[float | None], order: Order, size: int) -> None:
    """D4: rows may be out of place by the tolerance; one that is further out, and too few rows, prove nothing."""
    assert order_of(*(page(*days[at : at + size], first=at) for at in range(0, len(days), size))) is order


def test_rows_that_are_shown_again_say_nothing() -> None:
    """Pages may overlap by many rows, which are out of place only by being repeated."""
    assert order_of(page(90, 80, 70, 60), page(80, 70, 60, 50, first=1)) is Order.NEWEST_FIRST


def test_a_page_that_does_not_join_says_nothing() -> None:
    """What stands behind a gap is stepped back from; the rows between then come in their order."""
    assert order_of(page(90, 80), page(50, 40, first=4, has_gap=True), page(80, 70, 60, first=1)) is Order.NEWEST_FIRST


def test_a_walk_without_a_trace_proves_nothing() -> None:
    """Whoever goes on in the middle, and cannot know what came before, has not seen the order (D4)."""
    assert Trace.parse(None).follow(page(9, 5, 1), DAY).order is Order.NONE


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=2, max_size=40, unique=True), st.integers(0, 2**32), st.integers(1, 9))
def test_what_is_filed_late_is_sorted_all_the_same(hours: list[int], seed: int, size: int) -> None:
    """D3, D4: a listing sorted by when recordings were filed, each within the tolerance, is never taken for unsorted;
    sorted the other way round it is never taken for this one."""
    draw = Random(seed)
    began = [STARTED_AT + hour * HOUR for hour in hours]
    filed = sorted(began, key=lambda time: time + draw.random() * DAY, reverse=True)
    rows = tuple(make_listed(f"r{number}", started_at=time) for number, time in enumerate(filed))
    expected = Order.NEWEST_FIRST if _spread(filed) > DAY else Order.NONE
    assert order_of(*(Page(rows=rows[at : at + size]) for at in range(0, len(rows), size))) is expected


def _spread(times: Sequence[datetime]) -> timedelta:
    """How far at most a row stands before an older one."""
    return max((before - after for at, after in enumerate(times) for before in times[:at]), default=timedelta(0))


@pytest.mark.parametrize(
    ("shown", "recorded", "covered"),
    [
        (page(1, 2, None), Recorded(fresh=3, new=0, seen=9), True),
        (page(1, 5), Recorded(fresh=2, new=0, seen=9), False),
        (page(1, 2), Recorded(fresh=2, new=1, seen=9), False),
        (page(1, 2), Recorded(fresh=0, new=0, seen=9), False),
        (page(1, 2, has_gap=True), Recorded(fresh=2, new=0, seen=9), False),
        (page(None), Recorded(fresh=1, new=0, seen=9), False),
        (page(), Recorded(fresh=0, new=0, seen=9), False),
    ],
)
def test_a_covered_page_lies_wholly_beyond_the_boundary(shown: Page, recorded: Recorded, covered: bool) -> None:
    """D4: older than the boundary, joined to the page before, nothing new on it, and not the same rows again."""
    assert is_covered(shown, recorded, STARTED_AT + 5 * DAY) is covered
