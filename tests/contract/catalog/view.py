"""The catalog as commands see it."""

from datetime import timedelta
from typing import Any

import pytest

from archiver.model.account import AccountName
from archiver.model.listing import Listing, Window
from archiver.model.outcome import Retry, Stored
from archiver.model.recording import ListingName, RecordingId, State
from archiver.ports.catalog import Query, Record
from tests.builders import ACCOUNT, STARTED_AT, make_listed, make_malformed, make_page, make_stored_object
from tests.builders import make_walk_request as ask
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    Catalog,
    CatalogSuite,
    claim,
    make_rows,
    record,
    settle,
    suspect_one,
    verify_one,
    walk_all,
)

OTHER = AccountName("other")


async def find(catalog: Catalog, **query: Any) -> list[Record]:
    """What a query selects, in its order."""
    return [record async for record in catalog.find(Query(**query))]


async def find_ids(catalog: Catalog, **query: Any) -> list[str]:
    """The ids of what a query selects, in its order."""
    return [found.listed.recording_id for found in await find(catalog, **query)]


class ViewContract(CatalogSuite):
    """What a catalog promises to those who only look."""

    async def test_the_latest_comes_first(self, catalog: Catalog) -> None:
        """Recordings are shown by ``started_at``, descending."""
        days = {"r1": 1, "r2": 3, "r3": 2}
        await record(catalog, *(make_listed(name, started_at=STARTED_AT + day * HOUR) for name, day in days.items()))
        assert await find_ids(catalog) == ["r2", "r3", "r1"]

    async def test_a_query_has_a_limit(self, catalog: Catalog) -> None:
        """A query shows 100 recordings, or as many as it asks for; None lifts the limit."""
        await record(catalog, *make_rows(103))
        assert [len(await find(catalog, **query)) for query in ({}, {"limit": 2}, {"limit": None})] == [100, 2, 103]

    async def test_a_query_selects_by_account(self, catalog: Catalog) -> None:
        """A query may ask for one account, and knows its provider."""
        await catalog.enrol(OTHER, "kazoo", "MA_2")
        await record(catalog, make_listed("ours"))
        await record(catalog, make_listed("theirs"), account=OTHER)
        (found,) = await find(catalog, account=OTHER)
        assert (found.listed.recording_id, found.account, found.provider) == ("theirs", OTHER, "kazoo")
        assert len(await find(catalog)) == 2

    async def test_a_query_selects_by_state(self, catalog: Catalog) -> None:
        """A query may ask for one state."""
        await verify_one(catalog)
        await record(catalog, make_listed("r2"))
        assert await find_ids(catalog, state=State.VERIFIED) == ["r1"]
        assert await find_ids(catalog, state=State.PENDING) == ["r2"]
        assert await find_ids(catalog, state=State.GONE) == []

    async def test_a_query_selects_by_flags(self, catalog: Catalog) -> None:
        """A query may ask for what is suspect or held, and for what is not."""
        await record(catalog, make_listed())
        assert await find_ids(catalog, is_suspect=True) == await find_ids(catalog, is_held=True) == []
        assert await find_ids(catalog, is_suspect=False, is_held=False) == ["r1"]

    async def test_a_query_selects_by_time(self, catalog: Catalog) -> None:
        """A query's window includes both its ends."""
        hours = [STARTED_AT + hour * HOUR for hour in range(4)]
        await record(catalog, *(make_listed(f"h{hour}", started_at=at) for hour, at in enumerate(hours)))
        assert await find_ids(catalog, window=Window(since=hours[1], until=hours[2])) == ["h2", "h1"]

    @pytest.mark.parametrize("number", ["+91 80 1234-5678", "918012345678"])
    async def test_a_query_selects_by_number(self, catalog: Catalog, number: str) -> None:
        """A number matches either party by its digits, however it is written."""
        await record(
            catalog,
            make_listed("caller", from_number="+918012345678", started_at=STARTED_AT + HOUR),
            make_listed("callee", to_number="91-80-12345678"),
            make_listed("neither", to_number="+9180123456789"),
            make_listed("unknown", from_number=None, to_number=None),
        )
        assert await find_ids(catalog, number=number) == ["caller", "callee"]

    @pytest.mark.parametrize(("number", "is_found"), [("234567", True), ("0 234 567", True), ("34567", False)])
    async def test_six_digits_are_enough(self, catalog: Catalog, number: str, *, is_found: bool) -> None:
        """Six or more digits match the end of a number; fewer must be the whole of it."""
        await record(catalog, make_listed("r1", from_number="+49 30 0234567"))
        assert await find_ids(catalog, number=number) == ["r1"] * is_found

    async def test_lookup_finds_an_id(self, catalog: Catalog) -> None:
        """An id is looked up in one account or in all; an unknown one is not found."""
        await catalog.enrol(OTHER, "vobiz", "MA_2")
        await record(catalog, make_listed())
        await record(catalog, make_listed(), account=OTHER)
        assert [found.account for found in await catalog.lookup("r1", OTHER)] == [OTHER]
        assert {found.account for found in await catalog.lookup("r1", None)} == {ACCOUNT, OTHER}
        assert not await catalog.lookup("r2", None)

    async def test_a_history_goes_on(self, catalog: Catalog) -> None:
        """What happened to a recording is told from the oldest on, and nothing is taken back."""
        await record(catalog, make_listed())
        (claimed,) = await claim(catalog)
        await settle(catalog, Retry(claimed, "503", HOUR))
        before = list(await catalog.history(claimed.row))
        await self.pass_time(catalog, MOMENT)
        (claimed,) = await claim(catalog)
        await settle(catalog, Stored(claimed, make_stored_object()))
        after = list(await catalog.history(claimed.row))
        assert len(before) > 0
        assert after[: len(before)] == before
        assert len(after) > len(before)
        assert [event.at for event in after] == sorted(event.at for event in after)

    async def test_status_names_every_account(self, catalog: Catalog) -> None:
        """Every account that was ever enrolled is there, by name, with a count for every state."""
        await catalog.enrol(AccountName("aaa"), "kazoo", "K1")
        first, second = await catalog.status()
        assert [(first.account, first.provider), (second.account, second.provider)] == [
            ("aaa", "kazoo"),
            (ACCOUNT, "vobiz"),
        ]
        assert first.states == dict.fromkeys(State, 0)
        assert (first.backlog, first.oldest_unarchived_at, first.next_expiry_at, first.walks) == (0, None, None, {})

    async def test_states_add_up(self, catalog: Catalog) -> None:
        """The states sum to the rows, the bytes to what is stored, the backlog to what is not archived yet (T5)."""
        await verify_one(catalog)
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(*make_rows(4), excluded=["r4"]))
        await settle(catalog, Stored((await claim(catalog, limit=1))[0], make_stored_object(b"12", key="acme/2.mp3")))
        (status,) = await catalog.status()
        assert {state: count for state, count in status.states.items() if count} == {
            State.VERIFIED: 1, State.STORED: 1, State.PENDING: 1, State.EXCLUDED: 1,
        }  # fmt: skip
        assert status.stored_bytes == len(b"audio") + len(b"12")
        assert status.backlog == 1

    async def test_status_says_what_is_urgent(self, catalog: Catalog) -> None:
        """The backlog has its oldest recording, and the first that the provider will delete."""
        await verify_one(catalog)
        soon = STARTED_AT + timedelta(days=3650)
        await record(catalog, make_listed("r2", expires_at=soon + HOUR), make_listed("r3", expires_at=soon))
        (status,) = await catalog.status()
        assert status.next_expiry_at == soon
        assert status.oldest_unarchived_at is not None

    async def test_status_knows_the_last_walks(self, catalog: Catalog) -> None:
        """Each listing has its last walk, with its doubt, and the time of the last complete one."""
        await walk_all(catalog)
        await self.pass_time(catalog, MOMENT)
        walk = await catalog.begin_walk(ask())
        await catalog.end_walk(walk.id, "the cursor loops")
        await walk_all(catalog, listing=Listing(ListingName("user:1"), "1"))
        (status,) = await catalog.status()
        failing, sound = status.walks[ListingName("recordings")], status.walks[ListingName("user:1")]
        assert (failing.is_complete, failing.doubt) == (False, "the cursor loops")
        assert failing.last_at is not None
        assert failing.last_complete_at is not None
        assert failing.last_complete_at < failing.last_at
        assert (sound.is_complete, sound.doubt) == (True, None)

    async def test_status_counts_the_quarantine(self, catalog: Catalog) -> None:
        """Malformed rows are counted beside the recordings, per account (D6)."""
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(malformed=[make_malformed("a"), make_malformed("b")]))
        (status,) = await catalog.status()
        assert status.quarantined == 2
        assert {bad.reason for bad in status.malformed} == {"recording_id is missing"}

    async def test_status_counts_the_suspects(self, catalog: Catalog) -> None:
        """Suspects are counted beside their states, and can be asked for (B3)."""
        await suspect_one(catalog)
        (status,) = await catalog.status()
        assert (status.suspects, status.states[State.VERIFIED]) == (1, 1)
        assert await find_ids(catalog, is_suspect=True) == ["r1"]
        assert await find_ids(catalog, is_suspect=False) == []

    async def test_walked_counts_distinct_recordings(self, catalog: Catalog) -> None:
        """Several walks together listed each recording once; those passed over are not counted."""
        first = await catalog.begin_walk(ask())
        await catalog.record(first.id, make_page(*make_rows(2), malformed=[make_malformed()], passed=["old"]))
        second = await catalog.begin_walk(ask(listing=Listing(ListingName("user:1"), "1")))
        await catalog.record(second.id, make_page(*make_rows(3)))
        assert await catalog.walked([first.id]) == 2
        assert await catalog.walked([first.id, second.id]) == 3
        assert await catalog.walked([]) == 0

    async def test_known_tells_what_was_recorded(self, catalog: Catalog) -> None:
        """``known`` answers those ids that this account has a row for."""
        await catalog.enrol(OTHER, "vobiz", "MA_2")
        await record(catalog, make_listed("r1"))
        await record(catalog, make_listed("r2"), account=OTHER)
        ids = [RecordingId(name) for name in ("r1", "r2", "r3")]
        assert await catalog.known(ACCOUNT, ids) == {"r1"}
        assert await catalog.known(ACCOUNT, []) == frozenset()
