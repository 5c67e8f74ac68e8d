"""Courses: a walk ends, whatever the listing makes up."""

from collections.abc import Iterator
from itertools import chain, count

import pytest

from archiver.model.listing import Cursor, Page, WalkKind, WalkReport, Window
from archiver.pipeline.course import most_pages
from tests.builders import RECORDINGS
from tests.fakes.provider import FakeProvider
from tests.unit.pipeline.bench import Bench, ScriptedProvider, make_rows


def made_up(total: int, growth: int = 0) -> Iterator[Page]:
    """For ever two new rows a page, under ever new cursors; the total may grow with them."""
    for number in count():
        rows = make_rows(f"r{2 * number}", f"r{2 * number + 1}")
        yield Page(rows=rows, next_cursor=Cursor(str(number)), total=total + growth * number)


async def walk(bench: Bench, provider: FakeProvider, kind: WalkKind = WalkKind.FULL) -> WalkReport:
    """Walk a listing."""
    bench.provider = provider
    async with bench.start():
        return await bench.walker.walk(RECORDINGS, Window(), kind)


@pytest.mark.parametrize("kind", [WalkKind.FULL, WalkKind.INCREMENTAL])
async def test_made_up_rows_end(bench: Bench, kind: WalkKind) -> None:
    """D2: a listing that claims ten rows and invents new ones for ever is left after a bounded number of pages."""
    assert (await walk(bench, ScriptedProvider(iter([Page(rows=make_rows("r"), total=1)])))).is_complete
    report = await walk(bench, ScriptedProvider(made_up(total=10)), kind)
    assert report.doubt == f"the listing does not end: {report.pages} pages are more than it can have"
    assert report.pages == most_pages(next(made_up(total=10))) == 140


async def test_a_total_that_grows_with_the_rows_is_no_excuse(bench: Bench) -> None:
    """D2: what the first page claims is the measure, so a listing cannot run ahead of its reader for ever."""
    report = await walk(bench, ScriptedProvider(made_up(total=10, growth=9)))
    assert (report.is_complete, report.pages) == (False, 140)


async def test_catching_up_ends(bench: Bench) -> None:
    """D2: what appears behind the walk's back, and goes on appearing, is left to the next walk."""
    script = [Page(rows=make_rows("a"), next_cursor=Cursor("1"), total=2), Page(rows=make_rows("b"), total=9)]
    provider = ScriptedProvider(chain(script, made_up(total=10, growth=9)))
    assert (await walk(bench, provider)).is_complete
    assert len(provider.cursors) == 2 + 140


@pytest.mark.parametrize(("total", "rows"), [(0, 1), (1, 1), (10, 2), (1_000_000, 100), (57, 1)])
def test_an_honest_listing_has_room(total: int, rows: int) -> None:
    """Pages that overlap by a row, at a size that shrank to the half of it, never come near the bound."""
    first = Page(rows=make_rows(*(f"r{number}" for number in range(rows))), total=total)
    assert most_pages(first) >= 100 + 2 * total // max(1, rows - 1)
