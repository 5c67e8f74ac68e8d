"""What became of claims."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from archiver.model.outcome import Confirmed, Damaged, Failed, Outcome, Released, Retry, Stored, Verified, Wait
from archiver.model.recording import Claim, LeaseId, Reason, State
from tests.builders import make_listed, make_stored_object
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    SHORT,
    Catalog,
    CatalogSuite,
    claim,
    claim_one,
    claim_stored,
    make_rows,
    record,
    settle,
    show,
)

_OUTCOMES: dict[str, Callable[[Claim], Outcome]] = {
    "stored": lambda claimed: Stored(claimed, make_stored_object()),
    "retry": lambda claimed: Retry(claimed, "503", timedelta(0)),
    "wait": lambda claimed: Wait(claimed, "404", timedelta(0)),
    "failed": lambda claimed: Failed(claimed, "402"),
    "confirmed": lambda claimed: Confirmed(claimed, "too short"),
    "released": Released,
}
_READINGS: dict[str, Callable[[Claim], Outcome]] = {
    "verified": lambda claimed: Verified(claimed, "read"),
    "damaged": lambda claimed: Damaged(claimed, "other bytes", timedelta(0)),
    "retry": lambda claimed: Retry(claimed, "EIO", timedelta(0)),
    "released": Released,
}


def _outcomes(table: dict[str, Callable[[Claim], Outcome]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("outcome", table.values(), ids=table.keys())


class OutcomeContract(CatalogSuite):
    """What a catalog promises when a claim is settled."""

    async def test_stored_keeps_the_object_and_the_lease(self, catalog: Catalog) -> None:
        """A stored recording has its object; the lease goes on, so that nobody else reads it back."""
        claimed = await claim_stored(catalog)
        kept, found = make_stored_object(), await show(catalog)
        assert (found.state, found.key, found.digest) == (State.STORED, kept.key, kept.digest)
        assert (found.format, found.size_bytes, found.storage_url) == (kept.format, kept.size_bytes, kept.storage_url)
        assert (found.stored_at is not None, found.verified_at) == (True, None)
        assert await catalog.living([claimed.lease]) == {claimed.lease}

    async def test_verified_ends_the_work(self, catalog: Catalog) -> None:
        """A verified recording says how it was read back, has no attempts any more, and is free."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog), "503", timedelta(0)))
        await settle(catalog, Stored(claimed := await claim_one(catalog), make_stored_object()))
        await settle(catalog, Verified(claimed, "direct"))
        found = await show(catalog)
        assert (found.state, found.verified_by, found.attempts) == (State.VERIFIED, "direct", 0)
        assert (found.verified_at is not None, found.reason, found.next_attempt_at) == (True, None, None)
        assert not await catalog.living([claimed.lease])

    async def test_damaged_is_due_again(self, catalog: Catalog) -> None:
        """A damaged recording names its error, has one more attempt, and is due after the delay."""
        await settle(catalog, Damaged(await claim_stored(catalog), "other bytes", HOUR))
        found = await show(catalog)
        assert (found.state, found.error, found.attempts) == (State.DAMAGED, "other bytes", 1)
        assert found.next_attempt_at is not None
        assert found.next_attempt_at > await catalog.now()
        assert not await claim(catalog, pass_started_at=found.first_seen_at)

    async def test_a_healed_recording_keeps_its_key(self, catalog: Catalog) -> None:
        """The key is fixed at the first store; a damaged recording stored again has the new bytes under it."""
        await settle(catalog, Damaged(await claim_stored(catalog), "other bytes", timedelta(0)))
        again = make_stored_object(b"sound", key="acme/elsewhere/r1.wav")
        await settle(catalog, Stored(await claim_one(catalog), again))
        found = await show(catalog)
        assert (found.state, found.key, found.digest) == (State.STORED, make_stored_object().key, again.digest)

    async def test_retry_counts_and_waits(self, catalog: Catalog) -> None:
        """A retry leaves the recording pending, with its error, one more attempt, and a time to come back."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog), "503", HOUR))
        found = await show(catalog)
        assert (found.state, found.reason, found.error) == (State.PENDING, Reason.RETRY, "503")
        assert found.attempts == 1
        assert found.next_attempt_at is not None
        assert found.next_attempt_at > await catalog.now()

    @pytest.mark.parametrize("state", [State.STORED, State.DAMAGED])
    async def test_retry_leaves_the_state(self, catalog: Catalog, state: State) -> None:
        """A failed attempt to read back or to heal leaves the recording as it is; only a pending one has a reason."""
        claimed = await claim_stored(catalog)
        if state is State.DAMAGED:
            await settle(catalog, Damaged(claimed, "other bytes", timedelta(0)))
            claimed = await claim_one(catalog)
        await settle(catalog, Retry(claimed, "EIO", HOUR))
        found = await show(catalog)
        assert (found.state, found.reason, found.error) == (state, None, "EIO")

    async def test_wait_is_not_ready(self, catalog: Catalog) -> None:
        """A recording whose media is not there yet waits, with no attempt counted (B5)."""
        await record(catalog, make_listed())
        await settle(catalog, Wait(await claim_one(catalog), "404", HOUR))
        found = await show(catalog)
        assert (found.state, found.reason, found.error) == (State.PENDING, Reason.NOT_READY, "404")
        assert found.attempts == 0
        assert found.next_attempt_at is not None
        assert found.next_attempt_at > await catalog.now()

    async def test_failed_keeps_its_error(self, catalog: Catalog) -> None:
        """A failed recording names the evidence, counts the attempt, and waits for nothing."""
        await record(catalog, make_listed())
        await settle(catalog, Failed(await claim_one(catalog), "402"))
        found = await show(catalog)
        assert (found.state, found.error, found.attempts) == (State.FAILED, "402", 1)
        assert (found.reason, found.next_attempt_at) == (None, None)

    async def test_released_is_untouched(self, catalog: Catalog) -> None:
        """A claim given back leaves the recording as it was, with no attempt counted."""
        await record(catalog, make_listed())
        before = await show(catalog)
        await settle(catalog, Released(await claim_one(catalog)))
        found = await show(catalog)
        assert (found.state, found.reason, found.error) == (before.state, before.reason, before.error)
        assert found.attempts == 0

    async def test_released_is_due_at_once(self, catalog: Catalog) -> None:
        """A claim given back may be taken again in the same pass, although the recording was to wait before it."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog), "503", HOUR))
        await self.pass_time(catalog, MOMENT)
        started_at = await catalog.now()
        claimed = await claim_one(catalog, pass_started_at=started_at)
        await settle(catalog, Released(claimed))
        again = await claim_one(catalog, pass_started_at=started_at)
        assert (again.row, again.attempts_in_pass) == (claimed.row, 0)
        assert again.lease != claimed.lease

    @_outcomes({name: make for name, make in _OUTCOMES.items() if name != "stored"})
    async def test_an_outcome_ends_the_lease(self, catalog: Catalog, outcome: Callable[[Claim], Outcome]) -> None:
        """Every outcome but ``Stored`` gives the recording free."""
        await record(catalog, make_listed())
        claimed = await claim_one(catalog)
        await settle(catalog, outcome(claimed))
        assert not await catalog.living([claimed.lease])
        assert not await catalog.renew([claimed.lease], HOUR)

    @_outcomes(_OUTCOMES)
    async def test_a_repeat_changes_nothing_more(self, catalog: Catalog, outcome: Callable[[Claim], Outcome]) -> None:
        """An outcome settled again, since the answer was lost, is not counted twice and not reported as lost."""
        await record(catalog, make_listed())
        once = outcome(await claim_one(catalog))
        await settle(catalog, once)
        before = await show(catalog)
        history = await catalog.history(before.row)
        await self.pass_time(catalog, MOMENT)
        await settle(catalog, once)
        assert await show(catalog) == before
        assert await catalog.history(before.row) == history

    @_outcomes(_READINGS)
    async def test_a_repeated_reading_changes_nothing_more(
        self, catalog: Catalog, outcome: Callable[[Claim], Outcome]
    ) -> None:
        """What came of reading back may be settled again as well."""
        once = outcome(await claim_stored(catalog))
        await settle(catalog, once)
        before = await show(catalog)
        await self.pass_time(catalog, MOMENT)
        await settle(catalog, once)
        assert await show(catalog) == before

    @_outcomes(_OUTCOMES)
    async def test_a_lease_taken_over_is_lost(self, catalog: Catalog, outcome: Callable[[Claim], Outcome]) -> None:
        """A worker that wakes up after somebody else took its work changes nothing, and is told (R5)."""
        await record(catalog, make_listed())
        late = await claim_one(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        heir = await claim_one(catalog)
        before = await show(catalog)
        assert await catalog.settle([outcome(late)]) == {late.lease}
        assert await show(catalog) == before
        assert await catalog.living([heir.lease]) == {heir.lease}

    @_outcomes(_READINGS)
    async def test_a_reading_taken_over_is_lost(self, catalog: Catalog, outcome: Callable[[Claim], Outcome]) -> None:
        """So it is when the lease was lost between store and read-back (R5)."""
        await record(catalog, make_listed())
        late = await claim_one(catalog, lease=SHORT)
        await settle(catalog, Stored(late, make_stored_object()))
        await self.pass_time(catalog, SHORT)
        await claim_one(catalog)
        before = await show(catalog)
        assert await catalog.settle([outcome(late)]) == {late.lease}
        assert await show(catalog) == before

    async def test_what_an_heir_finished_stays(self, catalog: Catalog) -> None:
        """A lease that was taken over stays lost after the heir has settled (R5)."""
        await record(catalog, make_listed())
        late = await claim_one(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        await settle(catalog, Stored(heir := await claim_one(catalog), make_stored_object()))
        await settle(catalog, Verified(heir, "read"))
        before = await show(catalog)
        assert await catalog.settle([Failed(late, "402")]) == {late.lease}
        assert await show(catalog) == before

    async def test_a_lease_that_ran_out_may_settle(self, catalog: Catalog) -> None:
        """A lease that merely ran out is not lost while nobody took it over: the work counts."""
        await record(catalog, make_listed())
        late = await claim_one(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        await settle(catalog, Stored(late, make_stored_object()))
        await settle(catalog, Verified(late, "read"))
        assert (await show(catalog)).state is State.VERIFIED

    async def test_lost_leases_do_not_spoil_the_others(self, catalog: Catalog) -> None:
        """Of many outcomes settled together, those whose leases hold are written."""
        await record(catalog, *make_rows(3))
        late, *_ = await claim(catalog, limit=1, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        held = await claim(catalog)
        lost = await catalog.settle([Failed(late, "402"), *(Failed(claimed, "410") for claimed in held)])
        assert lost == frozenset[LeaseId]({late.lease})
        assert {(await show(catalog, name)).error for name in ("r1", "r2", "r3")} == {"410"}

    async def test_nothing_may_be_settled(self, catalog: Catalog) -> None:
        """No outcomes, no leases: nothing happens and nothing is lost."""
        assert await catalog.settle([]) == frozenset()
        assert await catalog.renew([], HOUR) == frozenset()
        assert await catalog.living([]) == frozenset()
