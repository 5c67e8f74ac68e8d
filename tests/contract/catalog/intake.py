"""Pages on their way into the catalog."""

from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.model.account import AccountName
from archiver.model.listing import Listing
from archiver.model.outcome import Failed
from archiver.model.recording import ListingName, RecordingId, State
from archiver.ports.catalog import Query, Recorded
from tests.builders import ACCOUNT, make_listed, make_malformed, make_page
from tests.builders import make_walk_request as ask
from tests.contract.catalog.setting import (
    MOMENT,
    Catalog,
    CatalogSuite,
    claim_one,
    claim_stored,
    deny_one,
    make_rows,
    record,
    settle,
    show,
    verify_one,
    walk_all,
)


class IntakeContract(CatalogSuite):
    """What a catalog promises about the rows of a page."""

    async def test_an_unknown_recording_becomes_pending(self, catalog: Catalog) -> None:
        """A recording that nobody knew is pending, exactly as it was listed."""
        listed = make_listed(
            duration=timedelta(seconds=42, microseconds=125_000),
            redacted=("/url",),
            document={"url": "[redacted]", "id": 7, "tags": [None, 1.5, "ü"], "nested": {"on": True}},
        )
        await record(catalog, listed)
        found = await show(catalog)
        assert (found.listed, found.state, found.attempts) == (listed, State.PENDING, 0)
        assert (found.key, found.digest, found.stored_at, found.remote_missing_at) == (None, None, None, None)

    async def test_a_bare_recording_is_recorded(self, catalog: Catalog) -> None:
        """A provider need say no more than an id."""
        bare = make_listed(
            started_at=None, duration=None, direction=None, from_number=None, to_number=None, type=None,
            claimed_format=None,
        )  # fmt: skip
        await record(catalog, bare)
        assert (await show(catalog)).listed == bare

    async def test_an_excluded_recording_is_recorded_as_such(self, catalog: Catalog) -> None:
        """What the filter leaves out is in the catalog, and is never fetched."""
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(*make_rows(2), excluded=["r1"]))
        assert (await show(catalog)).state is State.EXCLUDED
        assert (await claim_one(catalog)).listed.recording_id == "r2"

    async def test_the_verdict_of_the_filter_may_change(self, catalog: Catalog) -> None:
        """Excluded is recomputed with every page, both ways."""
        walk = await catalog.begin_walk(ask())
        states = []
        for excluded in (["r1"], [], ["r1"]):
            await catalog.record(walk.id, make_page(make_listed(), excluded=excluded))
            states.append((await show(catalog)).state)
        assert states == [State.EXCLUDED, State.PENDING, State.EXCLUDED]

    @pytest.mark.parametrize("excluded", [[], ["r1"]])
    async def test_what_is_archived_stays_so(self, catalog: Catalog, excluded: list[str]) -> None:
        """A listing never takes back that a recording was verified, whatever it says of it."""
        await verify_one(catalog)
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(make_listed(document={"duration": 7}), excluded=excluded))
        assert (await show(catalog)).state is State.VERIFIED

    async def test_a_changed_document_is_written(self, catalog: Catalog) -> None:
        """A known recording is rewritten where the provider's document changed, in whatever state."""
        await claim_stored(catalog)
        changed = make_listed(document={"duration": 7}, duration=timedelta(seconds=7))
        await record(catalog, changed)
        found = await show(catalog)
        assert (found.listed, found.state) == (changed, State.STORED)

    async def test_an_unchanged_document_is_not_written(self, catalog: Catalog) -> None:
        """The fingerprint tells whether a recording changed: what differs beside it is not written."""
        await record(catalog, listed := make_listed())
        await record(catalog, replace(listed, document={"url": "https://media.example.com/other"}))
        assert (await show(catalog)).listed == listed

    async def test_missing_is_cleared_when_listed_again(self, catalog: Catalog) -> None:
        """A recording that was missing and is listed again is not missing any more."""
        await verify_one(catalog)
        await walk_all(catalog)
        assert (await show(catalog)).remote_missing_at is not None
        await record(catalog, make_listed())
        assert (await show(catalog)).remote_missing_at is None

    async def test_failed_is_pending_when_listed_again(self, catalog: Catalog) -> None:
        """A full walk that lists a failed recording again re-opens it."""
        await record(catalog, make_listed())
        await settle(catalog, Failed(await claim_one(catalog), "402 for ever"))
        assert (await show(catalog)).state is State.FAILED
        await walk_all(catalog, make_listed())
        await self.pass_time(catalog, MOMENT)
        assert (await claim_one(catalog)).state is State.PENDING

    async def test_gone_is_pending_when_listed_again(self, catalog: Catalog) -> None:
        """A recording that was gone and is listed again is fetched after all, and not gone by the old proof."""
        await record(catalog, make_listed())
        await deny_one(catalog)
        await walk_all(catalog)
        await walk_all(catalog, make_listed())
        assert (await show(catalog)).state is State.PENDING
        await walk_all(catalog)
        assert (await show(catalog)).state is State.PENDING

    async def test_a_recording_has_one_row(self, catalog: Catalog) -> None:
        """Twice on a page, on two pages, in two listings: still one row (O3)."""
        users = Listing(ListingName("user:1"), "1")
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(make_listed(), make_listed(), cursor="2"))
        await catalog.record(walk.id, make_page(make_listed()))
        await record(catalog, make_listed(listing=users.name), listing=users)
        assert len([found async for found in catalog.find(Query())]) == 1

    async def test_accounts_have_their_own_rows(self, catalog: Catalog) -> None:
        """The same id in two accounts is two recordings (O3)."""
        other = AccountName("other")
        await catalog.enrol(other, "vobiz", "MA_2")
        await record(catalog, make_listed())
        await record(catalog, make_listed(), account=other)
        assert {found.account for found in await catalog.lookup("r1", None)} == {ACCOUNT, other}

    async def test_an_intake_is_counted(self, catalog: Catalog) -> None:
        """``fresh`` is new to this round, ``new`` to the catalog, ``seen`` the walk's so far; malformed rows count."""
        await record(catalog, make_listed("r1"))
        walk = await catalog.begin_walk(ask())
        bad = [make_malformed("a"), make_malformed("b")]
        first = await catalog.record(walk.id, make_page(*make_rows(2), make_listed("r2"), malformed=bad, cursor="2"))
        second = await catalog.record(walk.id, make_page(*make_rows(3), malformed=bad[:1]))
        assert first == Recorded(fresh=4, new=1, seen=4)
        assert second == Recorded(fresh=1, new=1, seen=5)

    async def test_a_second_round_sees_afresh(self, catalog: Catalog) -> None:
        """In a second round the ids of the first are fresh once more; ``seen`` goes on over both (D1)."""
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(*make_rows(2), malformed=[make_malformed()], cursor="2"))
        again = await catalog.record(walk.id, make_page(*make_rows(3), malformed=[make_malformed()], round_=2))
        assert again == Recorded(fresh=4, new=1, seen=4)
        once_more = await catalog.record(walk.id, make_page(*make_rows(2), cursor="3", round_=2))
        assert once_more == Recorded(fresh=0, new=0, seen=4)

    async def test_each_walk_sees_afresh(self, catalog: Catalog) -> None:
        """What one walk saw is fresh to the next."""
        await walk_all(catalog, *make_rows(2))
        walk = await catalog.begin_walk(ask())
        assert await catalog.record(walk.id, make_page(*make_rows(2))) == Recorded(fresh=2, new=0, seen=2)

    async def test_a_repeated_intake_changes_nothing_more(self, catalog: Catalog) -> None:
        """A page recorded again, since the answer was lost, adds nothing."""
        walk = await catalog.begin_walk(ask())
        page = make_page(*make_rows(2), malformed=[make_malformed()], cursor="2")
        first = await catalog.record(walk.id, page)
        before = await show(catalog)
        await self.pass_time(catalog, MOMENT)
        assert (await catalog.record(walk.id, page)).seen == first.seen
        assert await show(catalog) == before
        report = await catalog.end_walk(walk.id, None)
        assert (report.pages, report.listed, report.new, report.malformed) == (1, 2, 2, 1)

    async def test_what_is_passed_over_is_seen_but_not_recorded(self, catalog: Catalog) -> None:
        """Rows outside the window meet the listing's total; they are neither recorded nor counted as listed."""
        walk = await catalog.begin_walk(ask())
        page = make_page(make_listed("r1"), passed=["r2", "r3"])
        assert await catalog.record(walk.id, page) == Recorded(fresh=3, new=1, seen=3)
        assert not await catalog.lookup("r2", ACCOUNT)
        report = await catalog.end_walk(walk.id, None)
        assert (report.listed, report.new) == (1, 1)

    async def test_malformed_rows_are_quarantined_once(self, catalog: Catalog) -> None:
        """A malformed row is kept aside and counted once, however often it is listed; good ones go on (D6)."""
        for _ in range(2):
            walk = await catalog.begin_walk(ask())
            bad = [make_malformed("a"), make_malformed("a"), make_malformed("b")]
            await catalog.record(walk.id, make_page(make_listed(), malformed=bad))
        (status,) = await catalog.status()
        assert status.quarantined == 2
        assert status.states[State.PENDING] == 1

    async def test_hostile_text_stops_no_page(self, catalog: Catalog) -> None:
        """Whatever characters a provider sends, NUL and half a surrogate pair among them, the row is recorded (D6)."""
        walk = await catalog.begin_walk(ask())
        listed = make_listed(type="a\x00b", document={"note": "nul \x00, half a pair \ud800"}, fingerprint=b"f" * 32)
        await catalog.record(walk.id, make_page(listed, malformed=[make_malformed("\x00", reason="\x00")]))
        assert (await show(catalog)).listed.recording_id == RecordingId("r1")
