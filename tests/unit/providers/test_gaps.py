"""Gaps: a page that does not join the one before says so, for whoever would stop behind it."""

from itertools import count

import pytest

from archiver.providers.paging import NumberedReading, OffsetPosition, PageNumberPosition, Reading

ROWS = [f"r{number}" for number in range(60)]


@pytest.mark.parametrize("vanished", [0, 1, 9, 10, 25])
def test_an_offset_behind_deleted_rows_has_a_gap(vanished: int) -> None:
    """D1: until the row that was read last is found again, every page has a gap before it; then none."""
    rows, position, gaps = ROWS, OffsetPosition(), []
    for number in count():
        query = position.query(10)
        offset, limit = int(query["offset"]), int(query["limit"])
        shown = rows[offset : offset + limit]
        step = position.advance(Reading(row_keys=shown, has_next=offset + limit < len(rows), total=len(rows)))
        gaps.append(step.has_gap)
        rows = ROWS[vanished:] if number >= 3 else ROWS
        if step.following is None:
            break
        position = step.following  # type: ignore[assignment]  # one kind leads to its own
    assert any(gaps) is bool(vanished)
    assert gaps[-1] is False


def test_a_number_behind_deleted_rows_has_a_gap() -> None:
    """D1: the same for pages by number."""
    position = PageNumberPosition(size=10)
    first = position.advance(NumberedReading(row_keys=ROWS[:10], number=1, size=10, page_count=6, total=60))
    assert isinstance(first.following, PageNumberPosition)
    query = first.following.query()
    size, page = int(query["page_size"]), int(query["page"])
    shown = ROWS[20:][(page - 1) * size : page * size]
    second = first.following.advance(NumberedReading(row_keys=shown, number=page, size=size, total=40))
    assert (first.has_gap, second.has_gap) == (False, True)
