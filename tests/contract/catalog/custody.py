"""The catalog as those see it who look after what is kept."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from archiver.model.outcome import Damaged, Failed, Retry, Stored, Verified
from archiver.model.recording import Claim, State
from archiver.ports.catalog import KeptRequest
from tests.builders import ACCOUNT, make_listed, make_stored_object
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    SHORT,
    Catalog,
    CatalogSuite,
    claim,
    claim_one,
    make_rows,
    record,
    settle,
    show,
    suspect_one,
    verify_one,
)


async def ask_kept(catalog: Catalog, **changes: Any) -> KeptRequest:
    """A request for everything that is kept."""
    usual: dict[str, Any] = {"account": ACCOUNT, "not_since": await catalog.now(), "lease": HOUR, "limit": 10}
    return KeptRequest(**(usual | changes))


async def claim_kept(catalog: Catalog, **changes: Any) -> Sequence[Claim]:
    """Claim copies to read back."""
    return await catalog.claim_kept(await ask_kept(catalog, **changes))


async def verify_rows(catalog: Catalog, count: int) -> None:
    """Record ``r1`` to ``rN`` and bring them to ``verified``, in this order."""
    await record(catalog, *make_rows(count))
    for claimed in await claim(catalog):
        key = f"acme/{claimed.listed.recording_id}.mp3"
        await settle(catalog, Stored(claimed, make_stored_object(key=key)))
        await settle(catalog, Verified(claimed, "read"))


class CustodyContract(CatalogSuite):
    """What a catalog promises to those who look after what is kept."""

    async def _claim_kept(self, catalog: Catalog) -> Claim:
        await self.pass_time(catalog, MOMENT)
        (claimed,) = await claim_kept(catalog)
        return claimed

    async def test_kept_copies_are_claimed(self, catalog: Catalog) -> None:
        """What has an object is claimed under a lease, and is nobody else's meanwhile."""
        await verify_one(catalog)
        await record(catalog, make_listed("r2"))
        claimed = await self._claim_kept(catalog)
        assert (claimed.state, claimed.kept) == (State.VERIFIED, make_stored_object())
        assert claimed.verified_at == (await show(catalog)).verified_at
        assert await catalog.living([claimed.lease]) == {claimed.lease}
        assert not await claim_kept(catalog)

    async def test_the_longest_unread_comes_first(self, catalog: Catalog) -> None:
        """Copies come in the order in which they were last read, and from behind the last one had."""
        await verify_rows(catalog, 3)
        await self.pass_time(catalog, MOMENT)
        request = await ask_kept(catalog, limit=2)
        first = await catalog.claim_kept(request)
        rest = await catalog.claim_kept(await ask_kept(catalog, behind=first[-1]))
        names = [claimed.listed.recording_id for claimed in [*first, *rest]]
        times = [(await show(catalog, name)).verified_at for name in names]
        assert sorted(names) == ["r1", "r2", "r3"]
        assert times == sorted(times, key=str)

    async def test_what_is_behind_us_is_not_claimed_again(self, catalog: Catalog) -> None:
        """A copy that was read back, or given back, is not claimed again from behind it."""
        await verify_rows(catalog, 2)
        await self.pass_time(catalog, MOMENT)
        request = await ask_kept(catalog)
        first, second = await catalog.claim_kept(request)
        await self.pass_time(catalog, MOMENT)
        await settle(catalog, Verified(first, "read"), Retry(second, "EIO", timedelta(0)))
        assert not await catalog.claim_kept(await ask_kept(catalog, not_since=request.not_since, behind=second))

    async def test_a_time_bounds_what_is_read(self, catalog: Catalog) -> None:
        """What was read after ``not_since`` is left out, and not counted."""
        before = await catalog.now()
        await self.pass_time(catalog, MOMENT)
        await verify_one(catalog)
        await self.pass_time(catalog, MOMENT)
        assert await catalog.count_kept(await ask_kept(catalog, not_since=before)) == 0
        assert not await claim_kept(catalog, not_since=before)
        assert await catalog.count_kept(await ask_kept(catalog)) == 1

    async def test_rows_can_be_named(self, catalog: Catalog) -> None:
        """Only the named recordings are claimed and counted."""
        await verify_rows(catalog, 3)
        await self.pass_time(catalog, MOMENT)
        row = (await show(catalog, "r2")).row
        assert await catalog.count_kept(await ask_kept(catalog, rows=[row])) == 1
        (claimed,) = await claim_kept(catalog, rows=[row])
        assert claimed.row == row

    async def test_a_damaged_copy_can_be_read_again(self, catalog: Catalog) -> None:
        """A damaged recording is read too: it is verified when its bytes are back."""
        await verify_one(catalog)
        await settle(catalog, Damaged(await self._claim_kept(catalog), "other bytes", HOUR))
        assert (await show(catalog)).verified_at is None
        await settle(catalog, Verified(await self._claim_kept(catalog), "read"))
        found = await show(catalog)
        assert (found.state, found.error, found.next_attempt_at) == (State.VERIFIED, None, None)

    async def test_a_reader_that_died_leaves_nothing(self, catalog: Catalog) -> None:
        """A lease that ran out is claimed again; nothing else has changed."""
        await verify_one(catalog)
        await self.pass_time(catalog, MOMENT)
        before = await show(catalog)
        await claim_kept(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        assert await show(catalog) == before
        assert len(await claim_kept(catalog)) == 1

    @pytest.mark.parametrize("named", [True, False])
    async def test_what_waits_becomes_due(self, catalog: Catalog, *, named: bool) -> None:
        """Reopened, a recording that waits or failed is claimed by the running pass, with all attempts before it."""
        await record(catalog, *make_rows(2))
        started_at = await catalog.now()
        first, second = await claim(catalog, pass_started_at=started_at, max_attempts=1)
        await settle(catalog, Retry(first, "503", HOUR), Failed(second, "402"))
        assert not await claim(catalog, pass_started_at=started_at, max_attempts=1)
        rows = [first.row, second.row] if named else None
        assert await catalog.reopen(ACCOUNT, rows) == 2
        again = await claim(catalog, pass_started_at=started_at, max_attempts=1)
        assert {one.row for one in again} == {first.row, second.row}
        assert {(one.state, one.attempts_in_pass) for one in again} == {(State.PENDING, 0)}
        assert "reopened" in {event.name for event in await catalog.history(first.row)}

    async def test_a_damaged_one_becomes_due(self, catalog: Catalog) -> None:
        """Reopened, a damaged recording waits no longer."""
        await verify_one(catalog)
        await settle(catalog, Damaged(await self._claim_kept(catalog), "other bytes", HOUR))
        assert await catalog.reopen(ACCOUNT, None) == 1
        assert (await show(catalog)).next_attempt_at is None

    async def test_a_suspect_must_be_named(self, catalog: Catalog) -> None:
        """A verified suspect is fetched once more when it is named; what is sound, gone or leased never is."""
        await suspect_one(catalog)
        row = (await show(catalog)).row
        assert await catalog.reopen(ACCOUNT, None) == 0
        assert await catalog.reopen(ACCOUNT, [row]) == 1
        claimed = await claim_one(catalog)
        assert claimed.row == row
        assert await catalog.reopen(ACCOUNT, [row]) == 0
