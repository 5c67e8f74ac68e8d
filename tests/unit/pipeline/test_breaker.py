"""The breaker on a steered clock, and passes over providers that are dead, sick in parts, or back again (D7, P1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.model.errors import (
    ArchiverError,
    Denied,
    Gone,
    IntegrityError,
    NotReady,
    Permanent,
    StorageError,
    Throttled,
    Transient,
    Unreachable,
)
from archiver.model.recording import State
from archiver.pipeline.breaker import FAILURES, LONGEST_PAUSE, PROBES_PER_ATTEMPT, Breaker, GatedWork, WatchedProvider
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.provider import Media, MediaRequest
from tests.builders import ACCOUNT, STARTED_AT, make_claim_request, make_listed, make_page, make_walk_request
from tests.fakes.catalog import FakeCatalog
from tests.fakes.provider import FakeProvider, FakeRecording
from tests.unit.pipeline.bench import MS, Bench, make_rows
from tests.unit.pipeline.sounds import wav

SECOND = timedelta(seconds=1)
POLICY = RetryPolicy(max_attempts=3, backoff=SECOND, longest=4 * SECOND)
DEAD = Unreachable("no connection")


class Steered:
    """Seconds that go by when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Steered:
    """The breaker's clock."""
    return Steered()


@pytest.fixture
def breaker(time: Steered) -> Breaker:
    """A closed breaker."""
    return Breaker(account=ACCOUNT, policy=POLICY, clock=time)


def asked(recording_id: str = "r1", offset: int = 0) -> MediaRequest:
    """A media request."""
    return MediaRequest(recording=make_listed(recording_id), offset=offset)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    """So many recordings in a row get no answer."""
    for number in range(times):
        breaker.note(asked(f"dead{number}"), DEAD)


def probe(breaker: Breaker, time: Steered, error: BaseException | None) -> timedelta:
    """Wait for the pause and let a probe end like this; answers the pause that follows."""
    time.now += breaker.pause.total_seconds()
    breaker.begin_probe(make_listed("probe").recording_id)
    breaker.note(asked("probe"), error)
    return breaker.pause


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    """So many failures in a row, and not one fewer, open the breaker for a pause."""
    fail(breaker, FAILURES - 1)
    assert (breaker.error, breaker.pause) == (None, timedelta(0))
    fail(breaker, 1)
    assert breaker.error is DEAD
    assert SECOND / 2 <= breaker.pause <= SECOND


@pytest.mark.parametrize(
    ("error", "counts_as"),
    [
        (None, "well"),
        (NotReady("no audio yet"), "well"),
        (Gone("404"), "well"),
        (IntegrityError("an error page"), "well"),
        (Unreachable("reset"), "failure"),
        (Transient("503"), "failure"),
        (Throttled("429", retry_after=timedelta(0)), "neither"),
        (Denied("401"), "neither"),
        (Permanent("a host that is not allowed"), "neither"),
        (StorageError("disk full"), "neither"),
        (asyncio.CancelledError(), "neither"),
    ],
)
def test_what_counts(breaker: Breaker, error: BaseException | None, counts_as: str) -> None:
    """Only what says something about the account counts: silence, refusals of one recording and our own ends don't."""
    fail(breaker, FAILURES - 2)
    breaker.note(asked(), error)
    fail(breaker, 1)
    assert (breaker.error is not None) == (counts_as == "failure")
    fail(breaker, 1)
    assert (breaker.error is not None) == (counts_as != "well")


def test_going_on_is_the_same_attempt(breaker: Breaker) -> None:
    """A stream that breaks again while it is gone on with is one failure, not several."""
    for _ in range(FAILURES):
        breaker.note(asked(offset=1 << 20), DEAD)
    assert breaker.error is None


def test_failed_probes_lengthen_the_pause(breaker: Breaker, time: Steered) -> None:
    """With every second failed probe the pause doubles, with jitter, up to the policy's longest."""
    fail(breaker)
    pauses = [probe(breaker, time, DEAD) / SECOND for _ in range(8)]
    for pause, longest in zip(pauses, [1, 2, 2, 4, 4, 4, 4, 4], strict=True):
        assert longest / 2 <= pause <= longest


def test_success_closes_it(breaker: Breaker, time: Steered) -> None:
    """One probe that fares well closes the breaker, and failures are counted from the beginning."""
    fail(breaker)
    assert probe(breaker, time, None) == timedelta(0)
    assert breaker.error is None
    fail(breaker, FAILURES - 1)
    assert breaker.error is None


def test_what_was_under_way_changes_nothing(breaker: Breaker, time: Steered) -> None:
    """Failures of requests that went out before it opened neither lengthen the pause nor count as probes."""
    fail(breaker)
    pause = breaker.pause
    fail(breaker, 3 * FAILURES)
    assert breaker.pause == pause
    time.now += pause.total_seconds()
    breaker.begin_probe(make_listed("probe").recording_id)
    fail(breaker)
    assert breaker.is_waiting


def test_probes_end(breaker: Breaker, time: Steered) -> None:
    """After so many failed probes the pass has no more for the account; another round has."""
    fail(breaker)
    for _ in range(PROBES_PER_ATTEMPT * POLICY.max_attempts):
        assert not breaker.has_given_up
        probe(breaker, time, DEAD)
    assert breaker.has_given_up
    breaker.begin_round()
    assert (breaker.has_given_up, breaker.is_waiting, breaker.error) == (False, False, DEAD)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Throttled("429", retry_after=SECOND)])
def test_a_probe_that_tells_nothing_is_repeated(breaker: Breaker, time: Steered, error: BaseException) -> None:
    """A probe that was cancelled or throttled leaves the breaker as it was; the next one may go."""
    fail(breaker)
    probe(breaker, time, error)
    assert (breaker.error, breaker.is_waiting) == (DEAD, False)


async def listed(*names: str) -> FakeCatalog:
    """A catalog that knows these recordings, a day between each and the next."""
    catalog = FakeCatalog()
    await catalog.enrol(ACCOUNT, "fake", "fake-1")
    walk = await catalog.begin_walk(make_walk_request())
    days = [STARTED_AT + timedelta(days=day) for day in range(len(names))]
    rows = [make_listed(name, started_at=day) for name, day in zip(names, days, strict=True)]
    await catalog.record(walk.id, make_page(*rows))
    return catalog


async def test_one_probe_goes_through(breaker: Breaker, time: Steered) -> None:
    """During the pause nothing is claimed; after it one recording, and no second one before that has ended."""
    catalog = await listed(*"abcdefgh")
    gate, request = GatedWork(catalog, breaker), make_claim_request(catalog.clock.now())
    fail(breaker)
    assert await gate.claim(request) == ()
    outlook = await gate.outlook(request)
    assert (outlook.claimable, outlook.retry_in, outlook.left) == (0, breaker.pause, 8)
    time.now += breaker.pause.total_seconds()
    assert (await gate.outlook(request)).claimable == 8
    (claim,) = await gate.claim(request)
    assert await gate.claim(request) == ()
    outlook = await gate.outlook(request)
    assert (outlook.claimable, outlook.retry_in) == (0, None)
    breaker.note(asked(claim.listed.recording_id), None)
    assert len(await gate.claim(request)) == 7


async def test_every_second_probe_is_made_elsewhere(breaker: Breaker, time: Steered) -> None:
    """Every second probe goes half-way from the last such one to now: a sick month does not stand for the account."""
    catalog = await listed(*"abcdefgh")
    gate, request = GatedWork(catalog, breaker), make_claim_request(STARTED_AT + timedelta(days=8))
    fail(breaker)
    probed = ""
    for _ in range(6):
        time.now += breaker.pause.total_seconds()
        (claim,) = await gate.claim(request)
        breaker.note(asked(claim.listed.recording_id), DEAD)
        probed += claim.listed.recording_id
    assert probed == "aebgch"


async def test_throttling_is_silence(breaker: Breaker, time: Steered) -> None:
    """P1: after a 429 nothing is claimed until its wait has passed, so that no slot is held; then all is."""
    catalog = await listed(*"abc")
    gate, request = GatedWork(catalog, breaker), make_claim_request(catalog.clock.now())
    breaker.note(asked(), Throttled("429", retry_after=30 * SECOND))
    assert await gate.claim(request) == ()
    assert (await gate.outlook(request)).retry_in == 30 * SECOND
    time.now += 30
    assert len(await gate.claim(request)) == 3


async def test_an_open_breaker_with_nothing_to_do_waits_for_nothing(breaker: Breaker) -> None:
    """Where nothing is due any more the pause holds nobody."""
    catalog = await listed()
    fail(breaker)
    outlook = await GatedWork(catalog, breaker).outlook(make_claim_request(catalog.clock.now()))
    assert (outlook.claimable, outlook.retry_in) == (0, None)


async def test_the_whole_transfer_is_watched(breaker: Breaker) -> None:
    """A stream that breaks in its body is a failure like one that never began."""
    provider = FakeProvider()
    provider.add(FakeRecording(listed=make_listed(), body=b"audio" * 100, cut_at=100))
    watched = WatchedProvider(provider, breaker)
    for _ in range(FAILURES):
        with pytest.raises(Unreachable):
            async with watched.open_media(asked()) as media:
                [chunk async for chunk in media.chunks]
    assert isinstance(breaker.error, Unreachable)


class SickProvider(FakeProvider):
    """Answers only what ``is_well`` lets it, as often as ``patience`` says before it is well altogether."""

    def __init__(self, *sick: str, error: ArchiverError = DEAD, patience: int = 10**9) -> None:
        super().__init__(page_size=100)
        self.sick = frozenset(sick)
        self.error = error
        self.patience = patience

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The body, unless it is one of the sick."""
        if request.recording.recording_id in self.sick and self.patience:
            self.patience -= 1
            self.media_requests.append(request)
            raise self.error
        async with super().open_media(request) as media:
            yield media


NAMES = [f"r{number:02}" for number in range(60)]


def bench_of(folder: Path, provider: SickProvider) -> Bench:
    """An account at this provider that lists them all, the first name oldest."""
    for number, listed_one in enumerate(make_rows(*NAMES)):
        day = STARTED_AT + timedelta(hours=number)
        one = make_listed(listed_one.recording_id, started_at=day, expires_at=day + timedelta(days=90))
        provider.add(FakeRecording(listed=one, body=wav(one.recording_id.encode() * 500)))
    return Bench(folder, provider=provider, policy=RetryPolicy(max_attempts=5, backoff=5 * MS, longest=20 * MS))


async def test_a_dead_provider_uses_up_no_attempts(tmp_path: Path) -> None:
    """D7: a bounded number of requests, then the pass ends with the account named; what was not asked for is intact."""
    bench = bench_of(tmp_path, SickProvider(*NAMES))
    async with bench.start():
        await bench.one_pass().run()
        requests = bench.provider.media_requests
        assert len(requests) <= FAILURES + bench.account.concurrency + PROBES_PER_ATTEMPT * bench.policy.max_attempts
        untouched = set(NAMES) - {one.recording.recording_id for one in requests}
        claims = await bench.catalog.claim(await bench.request())
    assert bench.tally.trouble is DEAD
    assert len(untouched) > 30
    assert {claim.attempts for claim in claims if claim.listed.recording_id in untouched} == {0}
    assert bench.free_slots() == (4, 32)


async def test_it_heals_by_itself(tmp_path: Path) -> None:
    """A provider that comes back within the pass is taken up again: everything is archived, nobody in trouble."""
    bench = bench_of(tmp_path, SickProvider(*NAMES, patience=FAILURES + 3))
    async with bench.start():
        await bench.one_pass().run()
        assert await bench.states() == {State.VERIFIED: 60}
    assert bench.tally.trouble is None


@pytest.mark.parametrize("error", [Transient("503"), Unreachable("reset")])
async def test_sick_recordings_do_not_hide_the_others(tmp_path: Path, error: ArchiverError) -> None:
    """O5: the oldest half never answers, and is due first; the other half is archived in the same pass."""
    bench = bench_of(tmp_path, SickProvider(*NAMES[:30], error=error))
    async with bench.start():
        await bench.one_pass().run()
        assert await bench.states() == {State.VERIFIED: 30, State.PENDING: 30}


async def test_a_few_sick_recordings_are_no_trouble(tmp_path: Path) -> None:
    """Recordings that fail on their own use up their attempts; the account is not blamed for three of them."""
    bench = bench_of(tmp_path, SickProvider(*NAMES[:3]))
    async with bench.start():
        await bench.one_pass().run()
        assert await bench.states() == {State.VERIFIED: 57, State.PENDING: 3}
    assert bench.tally.trouble is None


async def test_a_pass_that_waits_probes_on(tmp_path: Path) -> None:
    """With ``wait`` a dead account is probed on, round after round, and is archived when its provider is back."""
    probes_of_a_pass = PROBES_PER_ATTEMPT * 5
    bench = bench_of(tmp_path, SickProvider(*NAMES, patience=FAILURES + 3 * probes_of_a_pass))
    async with bench.start():
        await bench.one_pass(wait=4 * SECOND).run()
        assert await bench.states() == {State.VERIFIED: 60}
    assert bench.tally.trouble is None


async def test_draining_ends_a_pause(tmp_path: Path) -> None:
    """T2: a pass that waits for a probe ends when it is told to."""
    bench = bench_of(tmp_path, SickProvider(*NAMES))
    bench.policy = RetryPolicy(max_attempts=3, backoff=timedelta(hours=1))
    async with bench.start():
        one = bench.one_pass()
        running = asyncio.create_task(one.run())
        while len(bench.provider.media_requests) < FAILURES:
            await asyncio.sleep(0)
        one.drain()
        await running
    assert bench.free_slots() == (4, 32)


def test_a_pause_is_bounded(time: Steered) -> None:
    """An operator's long back-off puts single recordings off, never the account for longer than a minute."""
    patient = RetryPolicy(backoff=timedelta(hours=1))
    breaker = Breaker(account=ACCOUNT, policy=patient, clock=time)
    fail(breaker)
    assert timedelta(0) < breaker.pause <= LONGEST_PAUSE
