"""Fixity: read kept copies back and compare, those first that were not read for the longest time.

A copy that is another than its digest, or is not there, becomes ``damaged``: the next pass puts the damaged bytes aside
and fetches the recording again while the provider has it. A copy that could not be read says nothing about its bytes;
it keeps its state, and is named.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from archiver.model.account import AccountName
from archiver.model.errors import CatalogError, StorageError
from archiver.model.outcome import Damaged, Outcome, Released, Retry
from archiver.model.recording import Claim, LeaseId
from archiver.pipeline.retry import GIVE_BACK_WITHIN, RetryPolicy
from archiver.pipeline.verify import verify
from archiver.ports.catalog import Custody, KeptRequest, Work
from archiver.ports.storage import Storage

log = structlog.get_logger()


@dataclass(slots=True)
class FixityTally:
    """What reading back came to so far. ``bytes`` were read; ``total`` copies are to be read, None while unknown.

    ``damaged``, ``missing`` and ``unreadable`` name recordings as ``ACCOUNT/RECORDING_ID``.
    """

    checked: int = 0
    ok: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    total: int | None = None
    last_error: str | None = None

    @property
    def skipped(self) -> int:
        """How many copies were left out, because another process is at work on them."""
        return max(0, (self.total or 0) - self.checked)

    @property
    def is_sound(self) -> bool:
        """Whether every copy was read, and was equal."""
        return self.checked == self.ok and not self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which copies of an account: those not read since ``not_since``; of ``rows`` only, None for all."""

    account: AccountName
    not_since: datetime
    rows: Collection[int] | None = None


@dataclass(slots=True, kw_only=True)
class Fixity:
    """Reads back ``concurrency`` copies at a time, each held under a lease that is renewed meanwhile."""

    custody: Custody
    work: Work
    storage: Storage
    policy: RetryPolicy
    lease: timedelta
    concurrency: int
    tally: FixityTally
    _is_draining: bool = False

    def drain(self) -> None:
        """Finish the copies that are being read, claim no more."""
        self._is_draining = True

    async def run(self, selections: Sequence[Selection]) -> None:
        """Read everything back that is selected.

        Raises: CatalogError or StorageError when either stayed away.
        """
        requests = [self._request(selection, None) for selection in selections]
        counts = [await self.policy.outlast(self.custody.count_kept, request) for request in requests]
        self.tally.total = sum(counts)
        for selection in selections:
            last: Claim | None = None
            while not self._is_draining:
                claims = await self.policy.outlast(self.custody.claim_kept, self._request(selection, last))
                if not claims:
                    break
                await self._read(selection.account, claims)
                last = claims[-1]

    def _request(self, selection: Selection, behind: Claim | None) -> KeptRequest:
        return KeptRequest(
            account=selection.account,
            not_since=selection.not_since,
            lease=self.lease,
            limit=self.concurrency,
            rows=selection.rows,
            behind=behind,
        )

    async def _read(self, account: AccountName, claims: Sequence[Claim]) -> None:
        """Read a few copies side by side; what was not read in the end is given back as it was."""
        outcomes: dict[LeaseId, Outcome] = {claim.lease: Released(claim) for claim in claims}

        async def read(claim: Claim) -> None:
            outcomes[claim.lease] = await self._read_one(account, claim)

        keeper = asyncio.create_task(self._keep(claims))
        try:
            async with asyncio.TaskGroup() as group:
                for claim in claims:
                    group.create_task(read(claim))
        except BaseException:
            with suppress(CatalogError, TimeoutError):  # the leases run out by themselves
                async with asyncio.timeout(GIVE_BACK_WITHIN.total_seconds()):
                    await asyncio.shield(self.work.settle(list(outcomes.values())))
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        await self.policy.outlast(self.work.settle, list(outcomes.values()))

    async def _read_one(self, account: AccountName, claim: Claim) -> Outcome:
        if claim.kept is None:
            raise RuntimeError(f"row {claim.row} was claimed as kept, and has no object")
        name = f"{account}/{claim.listed.recording_id}"
        outcome: Outcome
        try:
            outcome = await verify(self.storage, claim, claim.kept, self.policy)
        except StorageError as error:
            await self.storage.admit()  # a storage that is gone or lost ends the run; it says nothing about the copy
            outcome = Retry(claim, str(error), self.policy.pause(0))
        self._count(name, claim.kept.size_bytes, outcome)
        return outcome

    def _count(self, name: str, size_bytes: int, outcome: Outcome) -> None:
        tally = self.tally
        tally.checked += 1
        tally.bytes += size_bytes
        if isinstance(outcome, Damaged):
            (tally.missing if outcome.is_missing else tally.damaged).append(name)
        elif isinstance(outcome, Retry):
            tally.unreadable.append(name)
        else:
            tally.ok += 1
            return
        tally.last_error = outcome.error
        log.warning("copy_not_sound", recording=name, error=outcome.error)

    async def _keep(self, claims: Sequence[Claim]) -> None:
        leases = frozenset(claim.lease for claim in claims)
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            with suppress(Exception):  # settling tells which leases were lost
                await self.work.renew(leases, self.lease)
