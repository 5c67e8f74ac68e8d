"""Claims, leases and the outlook."""

import asyncio
from datetime import timedelta
from itertools import count
from typing import ClassVar, Final
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.model.account import AccountName
from archiver.model.listing import Window
from archiver.model.outcome import Damaged, Failed, Released, Retry, Stored, Verified, Wait
from archiver.model.recording import Claim, LeaseId, RecordingId, State
from archiver.ports.catalog import Outlook
from tests.builders import ACCOUNT, STARTED_AT, make_claim_request, make_listed, make_page, make_stored_object
from tests.builders import make_walk_request as ask
from tests.contract.catalog.setting import (
    HOUR,
    MOMENT,
    SHORT,
    Catalog,
    CatalogSuite,
    claim,
    claim_one,
    claim_stored,
    look_out,
    make_rows,
    record,
    settle,
    verify_one,
)

_AT_ONCE: Final = timedelta(0)
_SLACK: Final = timedelta(minutes=1)
_STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["anna", "bert"]), st.sampled_from(["claim", "release", "retry"]), st.integers(1, 3)),
    max_size=12,
)


class ClaimContract(CatalogSuite):
    """What a catalog promises about claims, leases and what is left."""

    _examples: ClassVar = count()

    async def test_the_clock_is_aware(self, catalog: Catalog) -> None:
        """The catalog's clock tells an instant, and goes on."""
        before = await catalog.now()
        await self.pass_time(catalog, MOMENT)
        assert before.utcoffset() == timedelta(0)
        assert await catalog.now() > before

    async def test_a_claim_says_what_to_do(self, catalog: Catalog) -> None:
        """A claim holds the recording as listed, under a lease, with what was tried before."""
        await record(catalog, listed := make_listed())
        claimed = await claim_one(catalog)
        assert (claimed.listed, claimed.state, claimed.kept) == (listed, State.PENDING, None)
        assert (claimed.attempts, claimed.attempts_in_pass) == (0, 0)
        (found,) = await catalog.lookup("r1", ACCOUNT)
        assert (claimed.row, claimed.first_seen_at) == (found.row, found.first_seen_at)

    async def test_a_claim_is_of_one_account(self, catalog: Catalog) -> None:
        """Only recordings of the account asked for are claimed."""
        other = AccountName("other")
        await catalog.enrol(other, "vobiz", "MA_2")
        await record(catalog, make_listed("theirs"), account=other)
        await record(catalog, make_listed("ours"))
        assert (await claim_one(catalog)).listed.recording_id == "ours"

    async def test_a_claim_has_a_limit(self, catalog: Catalog) -> None:
        """At most ``limit`` recordings are claimed at once; the others stay free."""
        await record(catalog, *make_rows(5))
        assert [len(await claim(catalog, limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    async def test_a_claim_stays_in_its_window(self, catalog: Catalog) -> None:
        """Only what ``covered`` covers by ``started_at`` is claimed: both ends, and what has no known time."""
        days = [STARTED_AT + timedelta(days=day) for day in range(4)]
        rows = [make_listed(f"day{day}", started_at=start) for day, start in enumerate(days)]
        await record(catalog, *rows, make_listed("unknown", started_at=None))
        claims = await claim(catalog, covered=Window(since=days[1], until=days[2]))
        assert {claimed.listed.recording_id for claimed in claims} == {"day1", "day2", "unknown"}

    async def test_the_earliest_expiring_come_first(self, catalog: Catalog) -> None:
        """What the provider deletes soonest is claimed first; what it keeps comes last."""
        rows = {"kept": None, "late": STARTED_AT + 2 * HOUR, "soon": STARTED_AT + HOUR}
        await record(catalog, *(make_listed(name, expires_at=at) for name, at in rows.items()))
        firsts = [(await claim_one(catalog, limit=1)).listed.recording_id for _ in rows]
        assert firsts == ["soon", "late", "kept"]

    async def test_what_is_done_is_not_claimed(self, catalog: Catalog) -> None:
        """Verified and failed recordings are no work."""
        await verify_one(catalog)
        await record(catalog, make_listed("r2"))
        await settle(catalog, Failed(await claim_one(catalog), "402"))
        await self.pass_time(catalog, MOMENT)
        assert not await claim(catalog)

    async def test_racing_claimers_share_the_work(self, catalog: Catalog) -> None:
        """No two claimers get the same recording, though they ask at the same time (R5)."""
        await record(catalog, *make_rows(40))
        claims = await asyncio.gather(*(claim(catalog, limit=8) for _ in range(8)))
        rows = [claimed.row for each in claims for claimed in each]
        assert len(rows) == len(set(rows))
        left = [claimed.row for claimed in await claim(catalog)]
        assert sorted(rows + left) == sorted(set(rows + left))
        assert len(rows + left) == 40

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(steps=_STEPS)
    async def test_no_interleaving_hands_out_a_recording_twice(
        self, catalog: Catalog, steps: list[tuple[str, str, int]]
    ) -> None:
        """However two workers claim and settle in turns, no recording is held by both (R5)."""
        account = AccountName(f"acme-{next(self._examples)}")
        await catalog.enrol(account, "vobiz", account)
        await record(catalog, *make_rows(4), account=account)
        pass_started_at = await catalog.now()
        held: dict[RecordingId, tuple[str, Claim]] = {}
        for worker, act, limit in steps:
            if act == "claim":
                request = make_claim_request(pass_started_at, account=account, limit=limit)
                taken = {claimed.listed.recording_id: (worker, claimed) for claimed in await catalog.claim(request)}
                assert held.keys().isdisjoint(taken)
                held |= taken
                continue
            mine = [claimed for owner, claimed in held.values() if owner == worker][:limit]
            await settle(catalog, *(Released(it) if act == "release" else Retry(it, "cut", _AT_ONCE) for it in mine))
            held = {name: (owner, it) for name, (owner, it) in held.items() if it not in mine}

    async def test_a_pass_takes_what_is_not_due(self, catalog: Catalog) -> None:
        """A pass takes every waiting recording once, though it is not due yet, with no attempt in this pass."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog), "503", HOUR))
        await self.pass_time(catalog, MOMENT)
        started_at = await catalog.now()
        again = await claim_one(catalog, pass_started_at=started_at)
        assert (again.attempts, again.attempts_in_pass) == (1, 0)
        await settle(catalog, Retry(again, "503", HOUR))
        assert not await claim(catalog, pass_started_at=started_at)

    async def test_a_pass_comes_back_when_it_is_due(self, catalog: Catalog) -> None:
        """Within a pass a recording comes again, but not before it is due."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        await settle(catalog, Retry(await claim_one(catalog, pass_started_at=started_at), "503", HOUR))
        assert not await claim(catalog, pass_started_at=started_at)
        await self.pass_time(catalog, MOMENT)
        await settle(catalog, Retry(await claim_one(catalog), "503", SHORT))
        await self.pass_time(catalog, SHORT)
        again = await claim_one(catalog, pass_started_at=started_at)
        assert (again.attempts, again.attempts_in_pass) == (2, 1)

    async def test_a_pass_has_so_many_attempts(self, catalog: Catalog) -> None:
        """A recording that had ``max_attempts`` in a pass is left to the next one."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        for attempt in range(2):
            claimed = await claim_one(catalog, pass_started_at=started_at, max_attempts=2)
            assert (claimed.attempts, claimed.attempts_in_pass) == (attempt, attempt)
            await settle(catalog, Retry(claimed, "503", _AT_ONCE))
        assert not await claim(catalog, pass_started_at=started_at, max_attempts=2)
        await self.pass_time(catalog, MOMENT)
        assert (await claim_one(catalog, max_attempts=2)).attempts_in_pass == 0

    async def test_a_pass_may_honour_what_is_not_due(self, catalog: Catalog) -> None:
        """A pass that asks for what is due only leaves the others waiting, and takes them as soon as their time comes,
        whatever attempts the pass before had used up; the outlook agrees."""
        await record(catalog, make_listed())
        await settle(catalog, Retry(await claim_one(catalog, due_only=True, max_attempts=1), "503", 2 * SHORT))
        await self.pass_time(catalog, MOMENT)
        started_at = await catalog.now()
        later = {"pass_started_at": started_at, "due_only": True, "max_attempts": 1}
        assert not await claim(catalog, **later)
        outlook = await look_out(catalog, **later)
        assert outlook.claimable == 0
        assert outlook.retry_in is not None
        await self.pass_time(catalog, 2 * SHORT)
        assert (await look_out(catalog, **later)).claimable == 1
        assert (await claim_one(catalog, **later)).attempts_in_pass == 0

    async def test_slots_bound_what_is_claimed_at_once(self, catalog: Catalog) -> None:
        """P2: no more recordings of an account are claimed at once than it has slots, however many claim; a slot is
        free again when its claim was settled, not when it was only stored."""
        await record(catalog, *make_rows(20))
        claims = [one for each in await asyncio.gather(*(claim(catalog, slots=3) for _ in range(6))) for one in each]
        assert len(claims) == 3
        await settle(catalog, Stored(claims[0], make_stored_object()), Retry(claims[1], "503", HOUR))
        assert len(await claim(catalog, slots=3)) == 1
        await settle(catalog, Verified(claims[0], "read"))
        assert len(await claim(catalog, slots=3)) == 1
        assert not await claim(catalog, slots=3)

    async def test_the_slots_of_the_dead_are_free(self, catalog: Catalog) -> None:
        """P2, R5: a slot whose lease ran out is free; a renewed one is not."""
        await record(catalog, *make_rows(4))
        first, _ = await claim(catalog, slots=2, limit=2, lease=2 * SHORT)
        await catalog.renew([first.lease], HOUR)
        await self.pass_time(catalog, 2 * SHORT)
        assert len(await claim(catalog, slots=2)) == 1

    async def test_who_lost_the_slot_lost_the_lease(self, catalog: Catalog) -> None:
        """P2: a process that was stopped past its lease may go on where its slot is free still, but not where another
        claim has it now, though nobody took the recording itself."""
        await record(catalog, make_listed("r1"), make_listed("r2", started_at=STARTED_AT + HOUR))
        (stopped,) = await claim(catalog, slots=1, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        assert await catalog.renew([stopped.lease], SHORT) == {stopped.lease}
        await self.pass_time(catalog, SHORT)
        (other,) = await claim(catalog, slots=1, covered=Window(since=STARTED_AT + HOUR))
        assert await catalog.renew([stopped.lease, other.lease], HOUR) == {other.lease}

    async def test_waiting_uses_no_attempt(self, catalog: Catalog) -> None:
        """A recording that is not ready comes again with each pass, however often it was asked for (B5)."""
        await record(catalog, make_listed())
        for _ in range(3):
            claimed = await claim_one(catalog, max_attempts=1)
            assert (claimed.attempts, claimed.attempts_in_pass) == (0, 0)
            await settle(catalog, Wait(claimed, "404", _AT_ONCE))
            await self.pass_time(catalog, MOMENT)

    async def test_what_is_not_ready_is_left_to_another_pass(self, catalog: Catalog) -> None:
        """Within a pass nothing waits for media that is not there yet: a pass ends without it."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        await settle(catalog, Wait(await claim_one(catalog, pass_started_at=started_at), "404", _AT_ONCE))
        assert not await claim(catalog, pass_started_at=started_at)
        outlook = await catalog.outlook(make_claim_request(pass_started_at=started_at))
        assert (outlook.claimable, outlook.retry_in, outlook.left) == (0, None, 1)
        assert outlook.due_in is not None

    async def test_a_lease_that_ran_out_is_claimed(self, catalog: Catalog) -> None:
        """What a dead worker held is claimed like any other, under a new lease, with no attempt counted (R5)."""
        await record(catalog, make_listed())
        dead = await claim_one(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        heir = await claim_one(catalog)
        assert (heir.row, heir.attempts) == (dead.row, 0)
        assert heir.lease != dead.lease

    async def test_a_stored_recording_is_claimed_to_be_read_back(self, catalog: Catalog) -> None:
        """What was stored and not read back is work, once its lease ran out; the claim says what the storage has."""
        await record(catalog, make_listed())
        kept = make_stored_object()
        await settle(catalog, Stored(await claim_one(catalog, lease=SHORT), kept))
        await self.pass_time(catalog, SHORT)
        claimed = await claim_one(catalog)
        assert (claimed.state, claimed.kept) == (State.STORED, kept)

    async def test_a_damaged_recording_is_claimed_to_be_fetched(self, catalog: Catalog) -> None:
        """What was found damaged is work; the claim says what was lost."""
        await settle(catalog, Damaged(await claim_stored(catalog), "other bytes", _AT_ONCE))
        claimed = await claim_one(catalog)
        assert (claimed.state, claimed.kept) == (State.DAMAGED, make_stored_object())

    async def test_a_renewed_lease_goes_on(self, catalog: Catalog) -> None:
        """``renew`` holds a recording for another lease from now, and answers that it is still ours."""
        await record(catalog, make_listed())
        held = await claim_one(catalog, lease=SHORT)
        assert await catalog.renew([held.lease], HOUR) == {held.lease}
        await self.pass_time(catalog, SHORT)
        assert not await claim(catalog)
        assert await catalog.living([held.lease]) == {held.lease}

    async def test_a_lost_lease_is_not_renewed(self, catalog: Catalog) -> None:
        """A lease that was taken over, that was settled, or that nobody knows is lost."""
        await record(catalog, *make_rows(2))
        late, settled = await claim(catalog, lease=SHORT)
        await settle(catalog, Wait(settled, "404", HOUR))
        await self.pass_time(catalog, SHORT)
        leases = {heir.lease for heir in await claim(catalog)}
        assert await catalog.renew([late.lease, settled.lease, LeaseId(uuid4()), *leases], HOUR) == leases

    async def test_living_leases_hold_a_recording_now(self, catalog: Catalog) -> None:
        """A lease lives until it ends or runs out; one that nobody knows does not live (O4)."""
        await record(catalog, *make_rows(3))
        (brief,) = await claim(catalog, limit=1, lease=SHORT)
        (ended,) = await claim(catalog, limit=1)
        (holds,) = await claim(catalog, limit=1)
        await settle(catalog, Released(ended))
        await self.pass_time(catalog, SHORT)
        assert await catalog.living([brief.lease, ended.lease, holds.lease, LeaseId(uuid4())]) == {holds.lease}

    async def test_the_outlook_counts_what_is_left(self, catalog: Catalog) -> None:
        """``left`` is all that is not finished; ``claimable`` could be claimed now, ``leased`` is held."""
        walk = await catalog.begin_walk(ask())
        await catalog.record(walk.id, make_page(*make_rows(5), excluded=["r5"]))
        (failing, _) = await claim(catalog, limit=2)
        await settle(catalog, Failed(failing, "402"))
        outlook = await look_out(catalog)
        assert outlook == Outlook(claimable=2, retry_in=None, due_in=None, leased=1, left=3)

    async def test_the_outlook_is_that_of_a_claim(self, catalog: Catalog) -> None:
        """The outlook looks at one account and one window, as a claim does."""
        await record(catalog, make_listed("r1"), make_listed("r2", started_at=STARTED_AT + HOUR))
        assert (await look_out(catalog, covered=Window(until=STARTED_AT))).left == 1
        assert (await look_out(catalog, account=AccountName("other"))).left == 0

    async def test_a_lease_that_ran_out_is_claimable(self, catalog: Catalog) -> None:
        """The outlook counts what a dead worker held as claimable, not as leased."""
        await record(catalog, make_listed())
        await claim(catalog, lease=SHORT)
        await self.pass_time(catalog, SHORT)
        outlook = await look_out(catalog)
        assert (outlook.claimable, outlook.leased) == (1, 0)

    async def test_the_outlook_says_when_to_come_back(self, catalog: Catalog) -> None:
        """``retry_in`` is when the next recording of this pass is due, ``due_in`` the next of any pass."""
        await record(catalog, *make_rows(2))
        started_at = await catalog.now()
        first, second = await claim(catalog, pass_started_at=started_at)
        await settle(catalog, Retry(first, "503", HOUR), Wait(second, "404", 2 * HOUR))
        outlook = await look_out(catalog, pass_started_at=started_at)
        assert outlook.claimable == 0
        assert outlook.retry_in is not None
        assert outlook.due_in is not None
        assert HOUR - _SLACK <= outlook.retry_in <= HOUR
        assert HOUR - _SLACK <= outlook.due_in <= HOUR

    async def test_a_spent_recording_is_of_another_pass(self, catalog: Catalog) -> None:
        """What had all its attempts is not retried in this pass, though it will be due."""
        await record(catalog, make_listed())
        started_at = await catalog.now()
        await settle(catalog, Retry(await claim_one(catalog, pass_started_at=started_at), "503", HOUR))
        outlook = await look_out(catalog, pass_started_at=started_at, max_attempts=1)
        assert (outlook.claimable, outlook.retry_in, outlook.left) == (0, None, 1)
        assert outlook.due_in is not None
        assert HOUR - _SLACK <= outlook.due_in <= HOUR
