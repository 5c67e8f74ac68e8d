"""Bytes that may not be the call: remembered while doubtful, kept as suspect, fetched once more, confirmed (B3)."""

from datetime import timedelta

import pytest

from archiver.model.objects import Digest
from archiver.model.outcome import Confirmed, Damaged, Retry, Stored, Verified
from archiver.model.recording import State
from tests.builders import make_listed, make_stored_object
from tests.contract.catalog.custody import claim_kept
from tests.contract.catalog.setting import (
    MOMENT,
    Catalog,
    CatalogSuite,
    claim,
    claim_one,
    look_out,
    record,
    settle,
    show,
    suspect_one,
)

FIRST, OTHER = Digest(b"1" * 32), Digest(b"2" * 32)


class SuspectContract(CatalogSuite):
    """What a catalog promises about suspects."""

    @pytest.mark.parametrize(
        ("brought", "agreed"),
        [
            ([FIRST], FIRST),
            ([FIRST, FIRST, FIRST], FIRST),
            ([FIRST, OTHER], None),
            ([FIRST, OTHER, OTHER], None),
            ([None, FIRST], None),
            ([FIRST, None], None),
        ],
    )
    async def test_a_claim_knows_what_all_attempts_brought(
        self, catalog: Catalog, brought: list[Digest | None], agreed: Digest | None
    ) -> None:
        """A claim tells the digest that every attempt of its pass brought, and none when they did not agree."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        for digest in brought:
            claimed = await claim_one(catalog, pass_started_at=started_at)
            await settle(catalog, Retry(claimed, "too short", timedelta(0), refused=digest))
            await self.pass_time(catalog, MOMENT)
        last = await claim_one(catalog, pass_started_at=started_at)
        assert (last.refused, last.attempts_in_pass) == (agreed, len(brought))

    async def test_another_pass_begins_anew(self, catalog: Catalog) -> None:
        """What an earlier pass brought does not count in the next one."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog), "too short", timedelta(0), refused=FIRST))
        await self.pass_time(catalog, MOMENT)
        started_at = await catalog.now()
        again = await claim_one(catalog, pass_started_at=started_at)
        await settle(catalog, Retry(again, "too short", timedelta(0), refused=OTHER))
        await self.pass_time(catalog, MOMENT)
        assert (await claim_one(catalog, pass_started_at=started_at)).refused == OTHER

    async def test_attempts_go_on_where_passes_are_short(self, catalog: Catalog) -> None:
        """Where only what is due is asked for, a pass that begins meanwhile gives nobody's attempts back: what is
        refused each time comes to its last attempt, with what it was refused for; and then begins anew."""
        await record(catalog, make_listed())
        for attempt in (0, 1, 2, 0):
            claimed = await claim_one(catalog, due_only=True, max_attempts=3)
            assert claimed.attempts_in_pass == attempt
            assert attempt == 0 or claimed.refused == FIRST
            await settle(catalog, Retry(claimed, "too short", timedelta(0), refused=FIRST))
            await self.pass_time(catalog, MOMENT)

    async def test_a_suspect_says_why(self, catalog: Catalog) -> None:
        """A suspect is verified like any other, is shown with its reason, and leaves nothing to do for its own pass."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        claimed = await claim_one(catalog, pass_started_at=started_at, max_attempts=1)
        await settle(catalog, Stored(claimed, make_stored_object(), suspect="too short"))
        await settle(catalog, Verified(claimed, "read"))
        found = await show(catalog)
        assert (found.state, found.suspect) == (State.VERIFIED, "too short")
        assert not await claim(catalog, pass_started_at=started_at, max_attempts=1)
        outlook = await look_out(catalog, pass_started_at=started_at, max_attempts=1)
        assert (outlook.claimable, outlook.left, outlook.retry_in, outlook.due_in) == (0, 0, None, None)

    async def test_the_next_pass_takes_it_once_more(self, catalog: Catalog) -> None:
        """A later pass claims the suspect, with the object that is kept and the reason."""
        await suspect_one(catalog)
        await self.pass_time(catalog, MOMENT)
        started_at = await catalog.now()
        assert (await look_out(catalog, pass_started_at=started_at)).claimable == 1
        claimed = await claim_one(catalog, pass_started_at=started_at)
        assert (claimed.state, claimed.suspect, claimed.kept) == (State.VERIFIED, "too short", make_stored_object())
        await settle(catalog, Retry(claimed, "503", timedelta(0)))
        await self.pass_time(catalog, MOMENT)
        assert (await claim_one(catalog, pass_started_at=started_at)).attempts_in_pass == 1
        assert (await show(catalog)).state is State.VERIFIED

    async def test_a_confirmed_suspect_rests(self, catalog: Catalog) -> None:
        """Once confirmed it is claimed no more, by no pass, and keeps its reason."""
        await suspect_one(catalog)
        await settle(catalog, Confirmed(await claim_one(catalog), "too short, twice"))
        found = await show(catalog)
        assert (found.state, found.suspect, found.error) == (State.VERIFIED, "too short, twice", None)
        await self.pass_time(catalog, MOMENT)
        assert not await claim(catalog)
        assert (await catalog.history(found.row))[-1].name == "confirmed"

    async def test_sound_bytes_clear_it(self, catalog: Catalog) -> None:
        """Other, sound bytes take its place under the same key, and it is suspect no more."""
        await suspect_one(catalog)
        claimed = await claim_one(catalog)
        await settle(catalog, Stored(claimed, sound := make_stored_object(b"sound")))
        await settle(catalog, Verified(claimed, "read"))
        found = await show(catalog)
        assert (found.state, found.suspect, found.digest) == (State.VERIFIED, None, sound.digest)
        await self.pass_time(catalog, MOMENT)
        assert not await claim(catalog)

    async def test_the_same_bytes_put_back_stay_confirmed(self, catalog: Catalog) -> None:
        """A confirmed suspect that was damaged and is fetched again with the same bytes is not fetched once more."""
        await suspect_one(catalog)
        await settle(catalog, Confirmed(claimed := await claim_one(catalog), "too short"))
        assert not await catalog.living([claimed.lease])
        await self.pass_time(catalog, MOMENT)
        (reading,) = await claim_kept(catalog)
        await settle(catalog, Damaged(reading, "gone", timedelta(0)))
        claimed = await claim_one(catalog)
        await settle(catalog, Stored(claimed, make_stored_object(), suspect="too short"))
        await settle(catalog, Verified(claimed, "read"))
        await self.pass_time(catalog, MOMENT)
        assert not await claim(catalog)
        assert (await show(catalog)).suspect == "too short"
