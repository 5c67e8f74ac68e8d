"""Offset paging over listings that stand still, change and lie."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.model.listing import Cursor
from archiver.providers.paging import OffsetPosition, Reading, Step, cursor_in

Server = Callable[[int, int], Reading]
"""Answers ``offset`` and ``limit``."""


def page_of(rows: Sequence[str], offset: int, limit: int) -> Reading:
    """What an honest server answers."""
    end = offset + limit
    return Reading(row_keys=rows[offset:end], has_next=end < len(rows), total=len(rows))


def serve(rows: Sequence[str], cap: int = 100) -> Server:
    """An honest server that hands out at most ``cap`` rows."""
    return lambda offset, limit: page_of(rows, offset, min(limit, cap))


def walk(server: Server, page_size: int, most_pages: int = 200) -> tuple[list[str], Step, int]:
    """Walk to the end. Returns every row received, the last step and the number of pages."""
    position, received = OffsetPosition(), list[str]()
    for pages in count(1):
        query = position.query(page_size)
        reading = server(int(query["offset"]), int(query["limit"]))
        received += reading.row_keys
        step = position.advance(reading)
        if step.following is None or pages == most_pages:
            return received, step, pages
        position = OffsetPosition.parse(step.following.as_cursor())
    raise AssertionError


@pytest.mark.parametrize("page_size", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("size", [0, 1, 2, 9, 10, 11, 57, 100])
def test_every_row_of_a_still_listing_is_read(size: int, page_size: int) -> None:
    """A listing that stands still is read whole and in order at every page size, one row being no exception."""
    rows = [f"r{number}" for number in range(size)]
    received, step, _ = walk(serve(rows), page_size)
    assert list(dict.fromkeys(received)) == rows
    assert step.doubt is None


def test_each_page_costs_one_row_read_twice() -> None:
    """A walk over n rows re-reads exactly one row for each page after the first."""
    received, _, pages = walk(serve([f"r{number}" for number in range(57)]), 10)
    assert len(received) == 57 + pages - 1


@pytest.mark.parametrize("cap", [1, 2, 20])
def test_a_clamped_limit_skips_nothing(cap: int) -> None:
    """A server that hands out fewer rows than asked for is advanced by what it gave."""
    rows = [f"r{number}" for number in range(57)]
    received, _, _ = walk(serve(rows, cap), 100)
    assert set(received) == set(rows)


@seed(20261122)
@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 60),
    page_size=st.integers(2, 12),
    chance=st.floats(0, 0.9),
    random_seed=st.integers(0, 2**32),
)
def test_no_surviving_row_is_skipped_while_rows_come_and_go(
    size: int, page_size: int, chance: float, random_seed: int
) -> None:
    """D1: rows that arrive at the head and vanish anywhere between pages hide none that was there all the time."""
    draw, names = random.Random(random_seed), count()
    rows = [f"r{next(names)}" for _ in range(size)]
    before = set(rows)
    changes_left = 40

    def answer_and_change(offset: int, limit: int) -> Reading:
        nonlocal changes_left
        page = page_of(rows, offset, limit)
        while changes_left and draw.random() < chance:
            changes_left -= 1
            if draw.random() < 0.5:
                rows.insert(0, f"n{next(names)}")
            elif rows:
                del rows[draw.randrange(len(rows))]
        return page

    received, step, _ = walk(answer_and_change, page_size, most_pages=5000)
    assert step.following is None
    assert before & set(rows) <= set(received)


def test_rows_that_moved_up_are_stepped_back_to() -> None:
    """D1: when the last rows of the page before are gone from their place, the next request begins a page earlier."""
    position = OffsetPosition(offset=49, anchors=("r48", "r49"), width=50)
    step = position.advance(Reading(row_keys=["r60", "r61"], has_next=False, total=51))
    assert step == Step(following=OffsetPosition(offset=0, anchors=("r48", "r49"), width=50, is_step_back=True))


def test_an_ignored_offset_is_never_asked_for_twice() -> None:
    """D2: a server that answers every offset with its first page is asked for ever new offsets."""
    asked: list[int] = []

    def ignore(offset: int, _limit: int) -> Reading:
        asked.append(offset)
        return Reading(row_keys=[f"r{number}" for number in range(10)], has_next=True, total=100)

    walk(ignore, 10, most_pages=10)
    assert sorted(set(asked)) == asked


@pytest.mark.parametrize("size", [50, 57])
def test_offsets_rounded_to_pages_lose_nothing(size: int) -> None:
    """A server that rounds offsets down to whole pages is read whole."""
    rows = [f"r{number}" for number in range(size)]
    received, step, _ = walk(lambda offset, limit: page_of(rows, offset // 10 * 10, limit), 10)
    assert set(received) == set(rows)
    assert step == Step(following=None)


def test_an_empty_page_with_a_next_is_a_doubt() -> None:
    """D2: an empty page that names a next one ends the listing, and does not end it as complete."""
    step = OffsetPosition(offset=20).advance(Reading(row_keys=[], has_next=True, total=57))
    assert step == Step(following=None, doubt="an empty page that names a next one")


def test_a_missing_next_is_not_the_end_below_the_total() -> None:
    """D2: without a next link the rows that the total still claims are asked for; without a total it is the end."""
    keys = ["r0", "r1"]
    step = OffsetPosition().advance(Reading(row_keys=keys, has_next=False, total=57))
    assert step.following == OffsetPosition(offset=1, anchors=("r0", "r1"), width=2)
    assert OffsetPosition().advance(Reading(row_keys=keys, has_next=False)) == Step(following=None)


def test_a_next_that_never_ends_is_bounded() -> None:
    """D2: a listing that names a next page for ever ends soon, and not as complete."""
    rows = [f"r{number}" for number in range(20)]
    received, step, pages = walk(lambda offset, limit: replace(page_of(rows, offset, limit), has_next=True), 10)
    assert set(received) == set(rows)
    assert step.doubt is not None
    assert pages == 5


def test_a_cursor_takes_the_place_of_the_offset() -> None:
    """A cursor that the provider names is sent back as it came, without an offset."""
    step = OffsetPosition().advance(Reading(row_keys=["r0"], has_next=True, cursor="a b&c"))
    assert isinstance(step.following, OffsetPosition)
    assert step.following.query(100) == {"limit": "100", "cursor": "a b&c"}


def test_a_looping_cursor_ends_with_a_doubt() -> None:
    """D2: a page whose cursor is its own ends the listing, which is not complete."""
    position = OffsetPosition(offset=10, cursor="same")
    step = position.advance(Reading(row_keys=["r10"], has_next=True, cursor="same"))
    assert step.following is None
    assert step.doubt == "a page that names itself as the next one"


def test_a_cursor_may_end_and_offsets_go_on() -> None:
    """When a next link stops naming a cursor, the rows read so far are the offset."""
    step = OffsetPosition(offset=10, cursor="c").advance(Reading(row_keys=["r10", "r11"], has_next=True))
    assert step.following == OffsetPosition(offset=12)


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        (None, None),
        ("", None),
        ("/v1/Account/MA_X/Recording/?limit=20&offset=20", None),
        ("https://elsewhere.example/?cursor=a%26b&limit=20", "a&b"),
    ],
)
def test_only_the_cursor_of_a_link_is_believed(link: str | None, cursor: str | None) -> None:
    """A link to the next page says at most a cursor; its host and path go nowhere."""
    assert cursor_in(link) == cursor


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '{"page": 2}', "not json"])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    """A text that no position was written as is a ValueError, not the beginning of the listing."""
    with pytest.raises(ValueError):  # noqa: PT011
        OffsetPosition.parse(Cursor(text))
