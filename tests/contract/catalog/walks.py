"""Accounts and walks: begun, resumed, held, ended."""

from datetime import timedelta

import pytest

from archiver.model.account import AccountName
from archiver.model.errors import ConfigError, Held
from archiver.model.listing import Cursor, Listing, WalkKind, Window
from archiver.model.outcome import Stored
from archiver.model.recording import ListingName, State
from tests.builders import ACCOUNT, STARTED_AT, make_listed, make_malformed, make_page, make_stored_object
from tests.builders import make_walk_request as ask
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    SHORT,
    START,
    Catalog,
    CatalogSuite,
    claim_one,
    deny_one,
    make_rows,
    record,
    settle,
    show,
    verify_one,
    walk_all,
)


class WalkContract(CatalogSuite):
    """What a catalog promises about accounts and walks."""

    async def test_enrolling_again_changes_nothing(self, catalog: Catalog) -> None:
        """An account may be enrolled at every start."""
        await catalog.enrol(ACCOUNT, "vobiz", "MA_1")
        assert [status.account for status in await catalog.status()] == [ACCOUNT]

    @pytest.mark.parametrize(("provider", "real_id"), [("kazoo", "MA_1"), ("vobiz", "MA_2")])
    async def test_a_name_stands_for_one_account(self, catalog: Catalog, provider: str, real_id: str) -> None:
        """A name that suddenly points to another provider or another real account is refused."""
        with pytest.raises(ConfigError):
            await catalog.enrol(ACCOUNT, provider, real_id)

    async def test_a_walk_begins_as_it_was_asked_for(self, catalog: Catalog) -> None:
        """A new walk has the listing, kind and window of its request, and begins at the start."""
        request = ask(window=Window(since=STARTED_AT))
        walk = await catalog.begin_walk(request)
        assert (walk.listing, walk.kind, walk.window) == (request.listing, request.kind, request.window)
        assert (walk.checkpoint, walk.is_resumed) == (START, False)

    async def test_a_released_walk_is_resumed(self, catalog: Catalog) -> None:
        """A walk given back goes on behind its last page, with the window it began with, and counts on."""
        first = await catalog.begin_walk(ask(window=Window(until=STARTED_AT)))
        await catalog.record(first.id, page := make_page(make_listed("r1"), cursor="2"))
        await catalog.release_walk(first.id)
        walk = await catalog.begin_walk(ask(window=Window(until=STARTED_AT + HOUR)))
        assert (walk.is_resumed, walk.checkpoint, walk.window) == (True, page.checkpoint, first.window)
        assert (await catalog.record(walk.id, make_page(make_listed("r2")))).seen == 2

    async def test_a_walk_whose_lease_ran_out_is_resumed(self, catalog: Catalog) -> None:
        """A walk that a dead process left is resumed once nobody holds it any more (R5)."""
        first = await catalog.begin_walk(ask(lease=SHORT))
        await catalog.record(first.id, make_page(cursor="2"))
        await self.pass_time(catalog, SHORT)
        walk = await catalog.begin_walk(ask())
        assert (walk.is_resumed, walk.checkpoint.cursor) == (True, Cursor("2"))

    async def test_a_held_walk_is_not_resumed(self, catalog: Catalog) -> None:
        """A walk that somebody holds is left to them; another one begins anew."""
        first = await catalog.begin_walk(ask())
        await catalog.record(first.id, make_page(cursor="2"))
        walk = await catalog.begin_walk(ask())
        assert walk.id != first.id
        assert (walk.is_resumed, walk.checkpoint) == (False, START)

    async def test_an_exclusive_walk_waits_for_a_held_one(self, catalog: Catalog) -> None:
        """An exclusive walk begins only when nobody holds another one over the listing, and says how long that may be;
        bounded ones, and those over other listings, are in nobody's way."""
        await catalog.begin_walk(ask(window=Window(since=STARTED_AT), kind=WalkKind.BOUNDED))
        await catalog.begin_walk(ask(listing=Listing(ListingName("other"))))
        held = await catalog.begin_walk(ask(is_exclusive=True))
        with pytest.raises(Held) as raised:
            await catalog.begin_walk(ask(is_exclusive=True, kind=WalkKind.INCREMENTAL))
        assert timedelta(0) < raised.value.retry_after <= HOUR
        await catalog.end_walk(held.id, None)
        assert (await catalog.begin_walk(ask(is_exclusive=True))).id != held.id

    async def test_an_exclusive_walk_outlives_the_dead(self, catalog: Catalog) -> None:
        """R5: a walk whose lease ran out keeps no exclusive one from beginning."""
        await catalog.begin_walk(ask(lease=SHORT))
        await self.pass_time(catalog, SHORT)
        await catalog.begin_walk(ask(is_exclusive=True))

    async def test_an_old_walk_begins_anew(self, catalog: Catalog) -> None:
        """An interrupted walk is not resumed when its last page is older than ``resume_within``."""
        first = await catalog.begin_walk(ask())
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.release_walk(first.id)
        await self.pass_time(catalog, SHORT)
        assert not (await catalog.begin_walk(ask(resume_within=SHORT))).is_resumed

    @pytest.mark.parametrize("doubt", [None, "the cursor loops"])
    async def test_an_ended_walk_is_not_resumed(self, catalog: Catalog, doubt: str | None) -> None:
        """Only an interrupted walk is resumed, not one that ended, complete or not."""
        first = await catalog.begin_walk(ask(lease=SHORT))
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.end_walk(first.id, doubt)
        await self.pass_time(catalog, SHORT)
        assert not (await catalog.begin_walk(ask())).is_resumed

    @pytest.mark.parametrize(
        "other",
        [
            {"account": AccountName("other")},
            {"listing": Listing(ListingName("user:1"), "1")},
            {"kind": WalkKind.BOUNDED},
        ],
    )
    async def test_only_the_same_walk_is_resumed(self, catalog: Catalog, other: dict[str, object]) -> None:
        """A walk of another account, listing or kind begins anew."""
        await catalog.enrol(AccountName("other"), "vobiz", "MA_2")
        first = await catalog.begin_walk(ask())
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.release_walk(first.id)
        assert not (await catalog.begin_walk(ask(**other))).is_resumed

    async def test_a_bounded_walk_begins_anew(self, catalog: Catalog) -> None:
        """A bounded walk is never resumed."""
        first = await catalog.begin_walk(ask(kind=WalkKind.BOUNDED))
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.release_walk(first.id)
        assert not (await catalog.begin_walk(ask(kind=WalkKind.BOUNDED))).is_resumed

    async def test_a_page_renews_the_walk(self, catalog: Catalog) -> None:
        """Each page's intake holds the walk for another lease."""
        first = await catalog.begin_walk(ask(lease=timedelta(milliseconds=400)))
        await self.pass_time(catalog, timedelta(milliseconds=210))
        await catalog.record(first.id, make_page(cursor="2"))
        await self.pass_time(catalog, timedelta(milliseconds=210))
        assert not (await catalog.begin_walk(ask())).is_resumed

    async def test_a_walk_is_renewed_between_pages(self, catalog: Catalog) -> None:
        """``renew_walk`` holds a walk for another lease from now."""
        first = await catalog.begin_walk(ask(lease=SHORT))
        await catalog.record(first.id, make_page(cursor="2"))
        await catalog.renew_walk(first.id, HOUR)
        await self.pass_time(catalog, SHORT)
        assert not (await catalog.begin_walk(ask())).is_resumed

    async def test_a_report_counts_distinct_ids(self, catalog: Catalog) -> None:
        """``listed`` counts distinct ids, ``new`` those the walk recorded first; malformed rows are beside (D6, T5)."""
        await record(catalog, make_listed("r1"), listing=Listing(ListingName("user:1")))
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(*make_rows(2), malformed=[make_malformed()], cursor="2"))
        await catalog.record(walk.id, make_page(*make_rows(3), malformed=[make_malformed()]))
        report = await catalog.end_walk(walk.id, None)
        assert (report.id, report.listing, report.pages) == (walk.id, walk.listing.name, 2)
        assert (report.listed, report.new, report.malformed) == (3, 2, 1)

    async def test_doubt_makes_a_walk_incomplete(self, catalog: Catalog) -> None:
        """A walk is complete only without doubt."""
        walk = await catalog.begin_walk(ask())
        report = await catalog.end_walk(walk.id, "the cursor loops")
        assert (report.is_complete, report.doubt) == (False, "the cursor loops")
        assert (await walk_all(catalog)).is_complete

    async def test_an_ended_walk_answers_its_report_again(self, catalog: Catalog) -> None:
        """Ending a walk twice changes nothing more, whatever the second one says."""
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(make_listed()))
        report = await catalog.end_walk(walk.id, "the cursor loops")
        await record(catalog, make_listed("r2"))
        assert await catalog.end_walk(walk.id, None) == report
        assert (await show(catalog, "r2")).remote_missing_at is None

    async def test_a_complete_full_walk_notes_what_is_missing(self, catalog: Catalog) -> None:
        """What a complete full walk did not see gets ``remote_missing_at``, and keeps its state."""
        await verify_one(catalog)
        await self.pass_time(catalog, MOMENT)
        await walk_all(catalog, make_listed("r2"))
        missing, listed = await show(catalog, "r1"), await show(catalog, "r2")
        assert missing.remote_missing_at is not None
        assert missing.state is State.VERIFIED
        assert listed.remote_missing_at is None

    async def test_an_incomplete_walk_notes_nothing(self, catalog: Catalog) -> None:
        """A walk that ends in doubt says nothing about what it did not see (D2)."""
        await record(catalog, make_listed())
        walk = await catalog.begin_walk(ask())
        await catalog.end_walk(walk.id, "an empty page with a next")
        assert (await show(catalog)).remote_missing_at is None

    async def test_a_bounded_walk_notes_nothing(self, catalog: Catalog) -> None:
        """A bounded walk proves nothing about what it did not see."""
        await record(catalog, make_listed())
        await walk_all(catalog, kind=WalkKind.BOUNDED)
        assert (await show(catalog)).remote_missing_at is None

    async def test_another_listing_notes_nothing(self, catalog: Catalog) -> None:
        """A walk says nothing about the recordings of other listings."""
        await record(catalog, make_listed())
        await walk_all(catalog, listing=Listing(ListingName("user:1"), "1"))
        assert (await show(catalog)).remote_missing_at is None

    async def test_a_walk_notes_nothing_outside_its_window(self, catalog: Catalog) -> None:
        """A full walk whose window has a beginning says nothing about older recordings."""
        await record(catalog, make_listed())
        await walk_all(catalog, window=Window(since=STARTED_AT + HOUR))
        assert (await show(catalog)).remote_missing_at is None

    async def test_what_is_passed_over_is_not_missing(self, catalog: Catalog) -> None:
        """A recording outside the walk's window was seen, although the walk did not record it."""
        await record(catalog, make_listed())
        walk = await catalog.begin_walk(ask(window=Window(since=STARTED_AT + HOUR)))
        await catalog.record(walk.id, make_page(passed=["r1"]))
        await catalog.end_walk(walk.id, None)
        assert (await show(catalog)).remote_missing_at is None

    async def test_denied_and_then_missing_is_gone(self, catalog: Catalog) -> None:
        """A recording never stored is gone once a complete full walk misses what the provider denied by id."""
        await record(catalog, make_listed())
        await deny_one(catalog)
        assert (await show(catalog)).state is State.PENDING
        await walk_all(catalog)
        assert (await show(catalog)).state is State.GONE

    async def test_missing_and_then_denied_is_gone(self, catalog: Catalog) -> None:
        """The two proofs may come in either order."""
        await record(catalog, make_listed())
        await walk_all(catalog)
        assert (await show(catalog)).state is State.PENDING
        await deny_one(catalog)
        assert (await show(catalog)).state is State.GONE

    async def test_what_was_stored_is_never_gone(self, catalog: Catalog) -> None:
        """A recording that was stored keeps its state, missing and denied as it may be."""
        await record(catalog, make_listed())
        await settle(catalog, Stored(await claim_one(catalog, lease=SHORT), make_stored_object()))
        await self.pass_time(catalog, SHORT)
        await deny_one(catalog)
        await walk_all(catalog)
        assert (await show(catalog)).state is State.STORED

    @pytest.mark.parametrize(("there", "listed"), [(2, 0), (20, 18), (59, 56)])
    async def test_too_many_missing_are_not_believed(self, catalog: Catalog, there: int, listed: int) -> None:
        """Several and more than one in twenty missing at once is a fault of the listing: nothing is noted (D2)."""
        await record(catalog, *make_rows(there))
        report = await walk_all(catalog, *make_rows(listed))
        assert report.is_complete is False
        assert report.doubt
        assert (await show(catalog, f"r{there}")).remote_missing_at is None

    @pytest.mark.parametrize(("there", "listed"), [(1, 0), (19, 18), (40, 38)])
    async def test_a_few_missing_are_believed(self, catalog: Catalog, there: int, listed: int) -> None:
        """A single one, or no more than one in twenty, may be missing at once."""
        await record(catalog, *make_rows(there))
        report = await walk_all(catalog, *make_rows(listed))
        assert report.is_complete
        assert (await show(catalog, f"r{there}")).remote_missing_at is not None

    async def test_expired_recordings_may_all_be_missing(self, catalog: Catalog) -> None:
        """Those that the provider was to delete by now do not count against the listing, and are noted."""
        await record(catalog, *make_rows(3, expires_at=STARTED_AT))
        report = await walk_all(catalog)
        assert report.is_complete
        assert (await show(catalog, "r3")).remote_missing_at is not None

    async def test_what_is_still_missing_is_not_counted_again(self, catalog: Catalog) -> None:
        """Only what goes missing at once counts; what was missing before keeps its time."""
        await record(catalog, *make_rows(40))
        await walk_all(catalog, *make_rows(38))
        before = await show(catalog, "r40")
        await self.pass_time(catalog, MOMENT)
        report = await walk_all(catalog, *make_rows(37))
        assert report.is_complete
        assert (await show(catalog, "r40")).remote_missing_at == before.remote_missing_at
        assert (await show(catalog, "r38")).remote_missing_at is not None
