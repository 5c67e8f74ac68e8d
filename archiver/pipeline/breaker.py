"""Circuit breaking: an account whose provider does not answer is left alone, probed now and then, and taken up again.

    closed ── FAILURES in a row ──> open: nothing is claimed for a pause ──> one probe ── it fares well ──> closed
                                      ^                                        │
                                      └──────── a longer pause <── it fails ───┘ so often: given up for this pass

Without it every recording of a dead provider would use up its attempts, one after the other. Only what says something
about the account counts as a failure: no answer, or one that says "not now". A recording that is not found shows that
the provider is well; throttling is silence, not failure; what we break off ourselves says nothing.

A server error may mean a single recording, and those that are due first may all be of that kind (a month whose
database was removed, say). So every second probe is made elsewhere: half-way from the last such one to now, or where
nothing is due so late, half as far, and so on. Only when those fail as well is the account given up.
"""

import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from archiver.model.account import AccountName
from archiver.model.errors import Gone, IntegrityError, NotReady, Throttled, Transient
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.outcome import Outcome
from archiver.model.recording import Claim, LeaseId, Listed, RecordingId, State
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.catalog import ClaimRequest, Outlook, Work
from archiver.ports.provider import Capabilities, Media, MediaRequest, Provider

log = structlog.get_logger()

FAILURES: Final = 10
"""So many failures in a row open the breaker: fewer are what a busy provider has on a bad day."""

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""However patient the operator is with single recordings, an account is probed again after this at the latest."""

PROBES_PER_ATTEMPT: Final = 2
"""One where the next recording is due, and one elsewhere."""

HALVINGS: Final = 8
"""How near to the last one we look for a recording to probe elsewhere: within two days, where that is a year old."""


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The breaker of one account in one pass. ``error`` is what holds it open, None while it is closed.

    ``clock`` gives seconds.
    """

    account: AccountName
    policy: RetryPolicy
    clock: Callable[[], float] = time.monotonic
    error: Transient | None = None
    _failures: int = 0
    _failed_probes: int = 0
    _probe: RecordingId | None = None
    _quiet_until: float = float("-inf")

    @property
    def has_given_up(self) -> bool:
        """Whether so many probes failed that the pass has no more for this account."""
        return self._failed_probes >= PROBES_PER_ATTEMPT * self.policy.max_attempts

    @property
    def is_waiting(self) -> bool:
        """Whether only a probe that is under way, or another pass, can tell more."""
        return self._probe is not None or self.has_given_up

    @property
    def pause(self) -> timedelta:
        """For how long nothing is claimed yet, because of failures or because the provider asked for silence."""
        return timedelta(seconds=max(0.0, self._quiet_until - self.clock()))

    @property
    def looks_elsewhere(self) -> bool:
        """Whether the next probe is one of those that are made elsewhere."""
        return self._failed_probes % PROBES_PER_ATTEMPT == 1

    def begin_probe(self, recording_id: RecordingId) -> None:
        """What becomes of this recording decides."""
        self._probe = recording_id

    def begin_round(self) -> None:
        """Another round of the pass makes its own probes; whatever ran before has ended."""
        self._failed_probes, self._probe = 0, None

    def note(self, request: MediaRequest, error: BaseException | None) -> None:
        """Learn how a media request fared; ``error`` None means well."""
        is_probe = request.recording.recording_id == self._probe
        if is_probe:
            self._probe = None
        match error:
            case None | NotReady() | Gone() | IntegrityError():
                self._close()
            case Throttled():
                self._be_quiet(error.retry_after or timedelta(0))
            case Transient() if request.offset == 0:  # going on where a stream broke is the same attempt
                self._count(error, is_probe=is_probe)

    def _count(self, error: Transient, *, is_probe: bool) -> None:
        if self.error is None:
            self._failures += 1
            if self._failures < FAILURES:
                return
        elif is_probe:
            self._failed_probes += 1
        else:
            return  # it was under way before
        self.error = error
        usual = min(LONGEST_PAUSE, self.policy.pause(self._failed_probes // PROBES_PER_ATTEMPT))
        pause = max(usual, error.retry_after or usual)
        self._be_quiet(pause)
        log.warning("account_paused", account=self.account, pause_s=round(pause.total_seconds(), 3), error=str(error))

    def _be_quiet(self, duration: timedelta) -> None:
        self._quiet_until = max(self._quiet_until, self.clock() + duration.total_seconds())

    def _close(self) -> None:
        if self.error is not None:
            log.info("account_resumed", account=self.account)
            self._quiet_until = self.clock()
        self.error, self._probe = None, None
        self._failures = self._failed_probes = 0


class WatchedProvider:
    """A provider whose media requests are told to a breaker."""

    def __init__(self, provider: Provider, breaker: Breaker) -> None:
        self._provider = provider
        self._breaker = breaker

    @property
    def capabilities(self) -> Capabilities:
        """The provider's."""
        return self._provider.capabilities

    async def identify(self) -> str:
        """The provider's answer."""
        return await self._provider.identify()

    async def listings(self) -> Sequence[Listing]:
        """The provider's answer."""
        return await self._provider.listings()

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The provider's answer."""
        return await self._provider.list_page(listing, window, cursor)

    async def retrieve(self, recording: Listed) -> Listed:
        """The provider's answer."""
        return await self._provider.retrieve(recording)

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The provider's media; the breaker learns how it fared, from the request to the last chunk that was taken."""
        try:
            async with self._provider.open_media(request) as media:
                yield media
        except BaseException as error:
            self._breaker.note(request, error)
            raise
        self._breaker.note(request, None)


class GatedWork:
    """Work that is handed out as far as a breaker lets it: all, a single probe, or none."""

    def __init__(self, work: Work, breaker: Breaker) -> None:
        self._work = work
        self._breaker = breaker
        self._elsewhere: datetime | None = None

    async def now(self) -> datetime:
        """The catalog's clock."""
        return await self._work.now()

    async def claim(self, request: ClaimRequest) -> Sequence[Claim]:
        """Take due recordings, as far as the breaker lets us."""
        if self._breaker.pause or self._breaker.is_waiting:
            return ()
        if self._breaker.error is None:
            self._elsewhere = None
            return await self._work.claim(request)
        claims = await self._claim_probe(replace(request, limit=1))
        for claim in claims:
            if claim.state is not State.STORED:  # to read back what is stored asks nothing of the provider
                self._breaker.begin_probe(claim.listed.recording_id)
        return claims

    async def _claim_probe(self, request: ClaimRequest) -> Sequence[Claim]:
        if self._breaker.looks_elsewhere and self._elsewhere is not None:
            beyond = request.pass_started_at - self._elsewhere
            for halved in range(1, HALVINGS + 1):
                since = self._elsewhere + beyond / 2**halved
                claims = await self._work.claim(replace(request, covered=request.covered.since_at_least(since)))
                if claims:
                    self._elsewhere = claims[0].listed.started_at or since
                    return claims
        claims = await self._work.claim(request)
        if claims and self._elsewhere is None:
            self._elsewhere = claims[0].listed.started_at
        return claims

    async def outlook(self, request: ClaimRequest) -> Outlook:
        """What is left to do; nothing can be claimed, or retried, before the breaker lets it."""
        seen = await self._work.outlook(request)
        if self._breaker.is_waiting:
            return replace(seen, claimable=0, retry_in=None)
        pause = self._breaker.pause
        if not pause:
            return seen
        waits = [timedelta(0)] if seen.claimable else []
        waits += [] if seen.retry_in is None else [seen.retry_in]
        return replace(seen, claimable=0, retry_in=max(pause, min(waits)) if waits else None)

    async def renew(self, leases: Collection[LeaseId], lease: timedelta) -> frozenset[LeaseId]:
        """Hold these for longer."""
        return await self._work.renew(leases, lease)

    async def living(self, leases: Collection[LeaseId]) -> frozenset[LeaseId]:
        """Which of these leases hold a recording now."""
        return await self._work.living(leases)

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Write what became of claims."""
        return await self._work.settle(outcomes)
