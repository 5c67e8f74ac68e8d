"""Page-number paging over listings that stand still, change and lie."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.model.listing import Cursor
from archiver.providers.paging import NumberedReading, PageNumberPosition, Step

Server = Callable[[int | None, int], NumberedReading]
"""Answers ``page`` (None: not given) and ``page_size``."""


def names(size: int) -> list[str]:
    """That many rows."""
    return [f"r{number}" for number in range(size)]


def page_of(rows: Sequence[str], index: int, size: int, number: int) -> NumberedReading:
    """What an honest server answers for the page behind ``index`` others, which it calls ``number``."""
    return NumberedReading(
        row_keys=rows[index * size : (index + 1) * size],
        number=number,
        size=size,
        page_count=-(-len(rows) // size),
        total=len(rows),
    )


def serve(rows: Sequence[str], base: int = 1, cap: int = 100) -> Server:
    """An honest server whose first page has the number ``base`` and that hands out at most ``cap`` rows."""

    def answer(page: int | None, size: int) -> NumberedReading:
        number = base if page is None else page
        return page_of(rows, number - base, min(size, cap), number)

    return answer


def walk(server: Server, page_size: int, most_pages: int = 500) -> tuple[list[str], Step, int]:
    """Walk to the end. Returns every row received, the last step and the number of pages."""
    position, received = PageNumberPosition(size=page_size), list[str]()
    for pages in count(1):
        query = position.query()
        reading = server(int(query["page"]) if "page" in query else None, int(query["page_size"]))
        received += reading.row_keys
        step = position.advance(reading)
        if step.following is None or pages == most_pages:
            return received, step, pages
        position = PageNumberPosition.parse(step.following.as_cursor(), page_size)
    raise AssertionError


def mild(rows: list[str], draw: random.Random) -> None:
    """A row comes in at the head, or one vanishes anywhere."""
    if draw.random() < 0.5:
        rows.insert(0, f"n{draw.getrandbits(60)}")
    elif rows:
        del rows[draw.randrange(len(rows))]


def wild(rows: list[str], draw: random.Random) -> None:
    """A row comes in or vanishes, anywhere, or both, which leaves the total as it was."""
    kind = draw.choice(("in", "out", "both"))
    if rows and kind != "in":
        del rows[draw.randrange(len(rows))]
    if kind != "out":
        rows.insert(draw.randrange(len(rows) + 1), f"n{draw.getrandbits(60)}")


def changing(rows: list[str], fixed: int | None, chance: float, change: Callable[[], None]) -> Server:
    """A server whose rows change after answers, 40 times at most; with ``fixed`` it ignores the size asked for."""
    left, draw = 40, random.Random(7)

    def answer_and_change(page: int | None, size: int) -> NumberedReading:
        nonlocal left
        number = 1 if page is None else page
        reading = page_of(rows, number - 1, fixed or size, number)
        while left and draw.random() < chance:
            left -= 1
            change()
        return reading

    return answer_and_change


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 10, 50])
@pytest.mark.parametrize("size", [0, 1, 2, 9, 10, 11, 57, 60, 100, 121])
def test_every_row_of_a_still_listing_is_read(size: int, page_size: int, base: int) -> None:
    """A listing that stands still is read whole and in order, whichever number its first page has."""
    received, step, _ = walk(serve(names(size), base), page_size)
    assert list(dict.fromkeys(received)) == names(size)
    assert step == Step(following=None)


@pytest.mark.parametrize(("page_size", "pages"), [(50, 24), (100, 11)])
def test_the_price_of_anchors(page_size: int, pages: int) -> None:
    """A thousand rows take 24 pages of 50 instead of 20, and 11 of 100 instead of 10."""
    assert walk(serve(names(1000)), page_size)[2] == pages


@pytest.mark.parametrize("cap", [1, 2, 5, 20])
def test_a_clamped_size_skips_nothing(cap: int) -> None:
    """A server that hands out smaller pages than asked for is read whole."""
    received, step, _ = walk(serve(names(57), cap=cap), 50)
    assert set(received) == set(names(57))
    assert step == Step(following=None)


@pytest.mark.parametrize("size_said", [None, 10])
@pytest.mark.parametrize("size", [8, 10, 11, 19, 57, 100])
def test_a_size_of_its_own_is_noticed(size: int, size_said: int | None) -> None:
    """A listing with pages of ten rows, whatever is asked for, is read whole, whether it says so or not."""
    rows = names(size)

    def ignore(page: int | None, _size: int) -> NumberedReading:
        return replace(page_of(rows, (page or 1) - 1, 10, page or 1), size=size_said)

    for page_size in (6, 50):
        received, step, _ = walk(ignore, page_size)
        assert set(received) == set(rows)
        assert step == Step(following=None)


@seed(20261122)
@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 120), page_size=st.integers(7, 50), chance=st.floats(0, 0.9), random_seed=st.integers(0, 2**32)
)
def test_no_surviving_row_is_skipped_whatever_changes(
    size: int, page_size: int, chance: float, random_seed: int
) -> None:
    """D1: rows that come in and vanish anywhere between pages hide none that was there all the time."""
    rows, draw = names(size), random.Random(random_seed)
    server = changing(rows, None, chance, lambda: wild(rows, draw))
    received, step, _ = walk(server, page_size, most_pages=5000)
    assert step.following is None
    assert set(names(size)) & set(rows) <= set(received)


@seed(20261122)
@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 60),
    page_size=st.integers(1, 12),
    fixed=st.none() | st.integers(1, 12),
    chance=st.floats(0, 0.9),
    random_seed=st.integers(0, 2**32),
)
def test_no_surviving_row_is_skipped_where_pages_cannot_overlap(
    size: int, page_size: int, fixed: int | None, chance: float, random_seed: int
) -> None:
    """D1: without overlap the total shows every move that could hide a row, as long as new rows come in at the head."""
    rows, draw = names(size), random.Random(random_seed)
    server = changing(rows, fixed, chance, lambda: mild(rows, draw))
    received, step, _ = walk(server, page_size, most_pages=5000)
    assert step.following is None
    assert set(names(size)) & set(rows) <= set(received)


def test_pages_overlap_by_their_sizes() -> None:
    """D1: after a page of 50 the next is page 1 of size 49, which begins with the last row of the one before."""
    first = PageNumberPosition(size=50)
    step = first.advance(page_of(names(200), 0, 50, 1))
    assert first.query() == {"page_size": "50"}
    assert step.following is not None
    assert PageNumberPosition.parse(step.following.as_cursor(), 50).query() == {"page_size": "49", "page": "2"}


def test_a_missed_anchor_is_stepped_back_to() -> None:
    """D1: when the anchors are gone from their place, the page that ends where this one begins is read again."""
    position = PageNumberPosition(size=50, end=50, anchors=("r48", "r49"), total=200, opening="r0")
    following = position.advance(replace(page_of(names(150), 1, 49, 2), row_keys=names(300)[200:249])).following
    assert following == replace(position, end=49, is_lost=True)


def test_a_move_that_the_total_hides_is_noticed() -> None:
    """D1: a row that vanishes before the page while another comes in behind it leaves no trace but the anchors."""
    rows = names(100)
    position = PageNumberPosition(size=50, end=50, anchors=("r48", "r49"), total=100, opening="r0")
    moved = [*rows[:3], *rows[4:], "new"]
    assert position.advance(page_of(moved, 1, 49, 2)).following == replace(position, end=49, is_lost=True)


def test_stepping_back_goes_on_until_an_anchor_is_found() -> None:
    """D1: once lost, a total that is the old one again is no reason to stop looking."""
    position = PageNumberPosition(size=10, end=20, anchors=("a", "b"), total=50, is_lost=True, is_fixed=True)
    reading = page_of(names(50), 1, 10, 2)
    assert position.advance(reading).following == replace(position, end=10)
    found = position.advance(replace(reading, row_keys=["b", *names(9)])).following
    assert found == replace(position, end=20, anchors=("r4", "r5", "r6", "r7", "r8"), is_lost=False)


@pytest.mark.parametrize("size", [11, 57, 100])
@pytest.mark.parametrize("echo", [0, 1])
def test_zero_and_one_may_both_be_the_first_page(echo: int, size: int) -> None:
    """A listing that calls its first page 0 and shows it for 1 too is read whole, with one request more."""
    rows = names(size)

    def one_based(page: int | None, size: int) -> NumberedReading:
        index = max((page or 0) - 1, 0)
        return page_of(rows, index, size, index if not echo else page or 0)

    received, step, pages = walk(one_based, 10)
    assert set(received) == set(rows)
    assert step == Step(following=None)
    assert pages == walk(serve(rows), 10)[2] + 1


@pytest.mark.parametrize("base", [0, 1])
def test_ignored_page_numbers_are_bounded(base: int) -> None:
    """D2: a server that answers every number with its first page is asked no oftener than the rows that it claims."""
    server = serve(names(100), base)
    received, _, pages = walk(lambda _page, size: server(None, size), 10)
    assert len(set(received)) == 10
    assert pages <= 20


@pytest.mark.parametrize(("total", "page_count"), [(100, None), (None, 9), (20, 9)])
def test_a_claim_of_more_than_is_shown_is_a_doubt(total: int | None, page_count: int | None) -> None:
    """D2: a listing that claims more rows or pages than it shows ends soon, and not as complete."""
    rows = names(20)

    def lie(page: int | None, size: int) -> NumberedReading:
        return replace(serve(rows)(page, size), total=total, page_count=page_count)

    received, step, pages = walk(lie, 10)
    assert set(received) == set(rows)
    assert step.following is None
    assert step.doubt is not None
    assert pages < 10


@pytest.mark.parametrize("said", [0, 1, 10**15])
def test_an_absurd_size_is_not_asked_for(said: int) -> None:
    """D2: a listing that says of each page that it has a size which it has not is read whole all the same."""
    rows, asked = names(57), []

    def lie(page: int | None, size: int) -> NumberedReading:
        asked.append(size)
        return replace(serve(rows)(page, size), size=said)

    received, step, _ = walk(lie, 10)
    assert set(received) == set(rows)
    assert step == Step(following=None)
    assert max(asked) == 10


def test_an_empty_listing_that_claims_rows_is_a_doubt() -> None:
    """D2: a first page without rows, of a listing that claims some, is not an empty listing."""
    step = PageNumberPosition(size=50).advance(NumberedReading(row_keys=[], total=42, page_count=1))
    assert step == Step(following=None, doubt="an empty first page that claims that there is more")


@pytest.mark.parametrize("size", [0, 5, 10, 57])
def test_a_listing_that_counts_nothing_ends_with_a_short_page(size: int) -> None:
    """Without any count a page that is not full is the last."""
    rows = names(size)

    def mute(page: int | None, asked: int) -> NumberedReading:
        return NumberedReading(row_keys=serve(rows)(page, asked).row_keys)

    received, step, _ = walk(mute, 10)
    assert set(received) == set(rows)
    assert step == Step(following=None)


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '{"page": 2}', "not json"])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    """A text that no position was written as is a ValueError, not the beginning of the listing."""
    with pytest.raises(ValueError):  # noqa: PT011
        PageNumberPosition.parse(Cursor(text), 50)
