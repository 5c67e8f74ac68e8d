"""Incremental walks: what they stand on, and what they leave alone."""

from dataclasses import replace
from typing import Any

import pytest

from archiver.model.account import AccountName
from archiver.model.listing import Checkpoint, Cursor, Listing, Order, Walk, WalkKind, Window
from archiver.model.outcome import Failed
from archiver.model.recording import ListingName, State
from tests.builders import STARTED_AT, make_listed, make_page
from tests.builders import make_walk_request as ask
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    START,
    Catalog,
    CatalogSuite,
    claim,
    make_rows,
    settle,
    show,
    walk_all,
)


async def begin(catalog: Catalog, **changes: object) -> Walk:
    """Begin an incremental walk."""
    return await catalog.begin_walk(ask(kind=WalkKind.INCREMENTAL, **changes))


async def prove(catalog: Catalog, order: Order = Order.NONE, doubt: str | None = None, **changes: object) -> Walk:
    """A walk over nothing (a full one, unless said otherwise) that ends at once."""
    walk = await catalog.begin_walk(ask(**changes))
    await catalog.end_walk(walk.id, doubt, order)
    return walk


class IncrementalContract(CatalogSuite):
    """What a catalog promises about walks that stand on others."""

    async def test_it_stands_on_a_complete_full_walk(self, catalog: Catalog) -> None:
        """An incremental walk is told the start of the last complete walk, less its lag, and the proven order (D4)."""
        full = await prove(catalog, Order.NEWEST_FIRST, lag=HOUR)
        walk = await begin(catalog)
        assert (walk.kind, walk.is_resumed, walk.checkpoint) == (WalkKind.INCREMENTAL, False, START)
        assert (walk.watermark, walk.order) == (full.started_at - HOUR, Order.NEWEST_FIRST)

    async def test_it_stands_on_a_complete_incremental_walk(self, catalog: Catalog) -> None:
        """A complete incremental walk moves the watermark; the order is the full walk's all the same (D4)."""
        await prove(catalog, Order.OLDEST_FIRST, lag=HOUR)
        await self.pass_time(catalog, MOMENT)
        second = await prove(catalog, Order.NONE, kind=WalkKind.INCREMENTAL, lag=HOUR)
        walk = await begin(catalog)
        assert (walk.watermark, walk.order) == (second.started_at - HOUR, Order.OLDEST_FIRST)

    async def test_the_newest_watermark_counts(self, catalog: Catalog) -> None:
        """A walk that began earlier and ended later takes nothing back."""
        await prove(catalog)
        early = await catalog.begin_walk(ask())
        await self.pass_time(catalog, MOMENT)
        late = await prove(catalog, kind=WalkKind.INCREMENTAL)
        await catalog.end_walk(early.id, None, Order.NEWEST_FIRST)
        walk = await begin(catalog)
        assert (walk.watermark, walk.order) == (late.started_at, Order.NEWEST_FIRST)

    @pytest.mark.parametrize("kind", [WalkKind.FULL, WalkKind.INCREMENTAL, WalkKind.BOUNDED])
    async def test_an_incomplete_or_bounded_walk_moves_nothing(self, catalog: Catalog, kind: WalkKind) -> None:
        """Neither watermark nor order comes from a walk that ended in doubt, was bounded, or never ended (D2)."""
        full = await prove(catalog, Order.NEWEST_FIRST)
        await self.pass_time(catalog, MOMENT)
        await prove(catalog, Order.NONE, None if kind is WalkKind.BOUNDED else "the cursor loops", kind=kind)
        await catalog.begin_walk(ask(kind=kind))
        walk = await begin(catalog)
        assert (walk.watermark, walk.order) == (full.started_at, Order.NEWEST_FIRST)

    @pytest.mark.parametrize(
        "other",
        [
            {"doubt": "the cursor loops"},
            {"kind": WalkKind.BOUNDED},
            {"listing": Listing(ListingName("user:1"), "1")},
            {"account": AccountName("other")},
            {"window": Window(since=STARTED_AT)},
        ],
        ids=str,
    )
    async def test_with_none_to_stand_on_it_is_a_full_one(self, catalog: Catalog, other: dict[str, Any]) -> None:
        """Without a complete walk over all that it would take for known, an incremental walk is a full one."""
        await catalog.enrol(AccountName("other"), "vobiz", "MA_2")
        await prove(catalog, Order.NEWEST_FIRST, **other)
        walk = await begin(catalog)
        assert (walk.kind, walk.watermark, walk.order) == (WalkKind.FULL, None, Order.NONE)
        await catalog.end_walk(walk.id, None)
        assert (await begin(catalog)).kind is WalkKind.INCREMENTAL

    async def test_an_earlier_window_carries_a_later_one(self, catalog: Catalog) -> None:
        """A walk over more of the time than is asked for can be stood on."""
        await prove(catalog, window=Window(since=STARTED_AT))
        assert (await begin(catalog, window=Window(since=STARTED_AT))).kind is WalkKind.INCREMENTAL
        assert (await begin(catalog, window=Window(since=STARTED_AT + HOUR))).kind is WalkKind.INCREMENTAL
        assert (await begin(catalog, window=Window(since=STARTED_AT - HOUR))).kind is WalkKind.FULL

    async def test_the_first_one_goes_on_with_a_full_walk(self, catalog: Catalog) -> None:
        """With none to stand on, it goes on with an interrupted full walk as a full one does."""
        full = await catalog.begin_walk(ask())
        await catalog.record(full.id, make_page(cursor="2"))
        await catalog.release_walk(full.id)
        walk = await begin(catalog)
        assert (walk.id, walk.is_resumed, walk.checkpoint.cursor) == (full.id, True, Cursor("2"))

    async def test_it_begins_anew(self, catalog: Catalog) -> None:
        """An interrupted incremental walk is never resumed, and moves no watermark (D4)."""
        full = await prove(catalog)
        first = await begin(catalog)
        await catalog.record(first.id, make_page(make_listed(), cursor="2"))
        await catalog.release_walk(first.id)
        walk = await begin(catalog)
        assert (walk.is_resumed, walk.checkpoint, walk.watermark) == (False, START, full.started_at)

    async def test_a_resumed_walk_has_the_watermark_of_its_start(self, catalog: Catalog) -> None:
        """A walk that was interrupted covers what there was when it first began (D4)."""
        first = await catalog.begin_walk(ask())
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.release_walk(first.id)
        await self.pass_time(catalog, MOMENT)
        await catalog.end_walk((await catalog.begin_walk(ask(lag=HOUR))).id, None)
        assert (await begin(catalog)).watermark == first.started_at

    async def test_a_checkpoint_is_kept_whole(self, catalog: Catalog) -> None:
        """A resumed walk finds all of its checkpoint again: cursor, round, smallest total and trace."""
        first = await catalog.begin_walk(ask())
        kept = Checkpoint(cursor=Cursor("2"), round=2, least_total=7, trace='{"newest": null}')
        await catalog.record(first.id, replace(make_page(), checkpoint=kept))
        await catalog.release_walk(first.id)
        assert (await catalog.begin_walk(ask())).checkpoint == kept

    async def test_it_says_nothing_about_what_it_did_not_see(self, catalog: Catalog) -> None:
        """A complete incremental walk notes nothing as missing, and re-opens nothing that failed."""
        await walk_all(catalog, *make_rows(2))
        await settle(catalog, Failed((await claim(catalog, limit=1))[0], "402 for ever"))
        assert (await walk_all(catalog, make_listed("r1"), kind=WalkKind.INCREMENTAL)).is_complete
        assert (await show(catalog, "r1")).state is State.FAILED
        assert (await show(catalog, "r2")).remote_missing_at is None

    async def test_status_counts_it_as_complete(self, catalog: Catalog) -> None:
        """The last complete walk of a listing may be an incremental one, never a bounded one; the doubt is the last
        walk's (T4)."""
        times = []
        for doubt, kind in [
            (None, WalkKind.FULL),
            (None, WalkKind.INCREMENTAL),
            ("the cursor loops", WalkKind.INCREMENTAL),
            (None, WalkKind.BOUNDED),
        ]:
            await prove(catalog, Order.NONE, doubt, kind=kind)
            await self.pass_time(catalog, MOMENT)
            (status,) = await catalog.status()
            listing = status.walks[ListingName("recordings")]
            times.append((listing.last_complete_at, listing.is_complete))
        assert times[0][0] is not None
        assert times[1][0] is not None
        assert times[0][0] < times[1][0]
        assert times[1][0] == times[2][0] == times[3][0]
        assert [is_complete for _, is_complete in times] == [True, True, False, True]
