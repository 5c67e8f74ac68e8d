"""One recording from claim to verified: the order of durable effects, and what every failure comes to."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from archiver.model.errors import (
    ArchiverError,
    Denied,
    Gone,
    IntegrityError,
    NotReady,
    Permanent,
    StorageError,
    Throttled,
    Unreachable,
)
from archiver.model.objects import Key
from archiver.model.outcome import Outcome
from archiver.model.recording import LeaseId, Reason, State
from archiver.pipeline.registrar import Registrar
from archiver.ports.storage import Publication, Reading
from tests.fakes.catalog import FakeCatalog
from tests.fakes.storage import FakeStorage
from tests.unit.pipeline.bench import Bench, GatedProvider, RunningClock
from tests.unit.pipeline.sounds import wav

HOUR = timedelta(hours=1)
ORDER = ["publish", "published", "settle Stored", "settled Stored"]
ORDER += ["read", "was read", "settle Verified", "settled Verified"]


class Killed(BaseException):
    """The process is no more."""


class Steps:
    """The steps that were taken, in order; at the one named ``dies_at`` the process dies."""

    def __init__(self, dies_at: str | None = None) -> None:
        self.taken: list[str] = []
        self.dies_at = dies_at

    def take(self, name: str) -> None:
        """Take a step."""
        self.taken.append(name)
        if name == self.dies_at:
            self.dies_at = None
            raise Killed


class SteppingStorage(FakeStorage):
    """Tells when it publishes and reads."""

    def __init__(self, spool: Path, steps: Steps) -> None:
        super().__init__(spool)
        self.steps = steps

    async def publish(self, publication: Publication) -> None:
        """Publish."""
        self.steps.take("publish")
        await super().publish(publication)
        self.steps.take("published")

    async def read_back(self, key: Key) -> Reading:
        """Read."""
        self.steps.take("read")
        reading = await super().read_back(key)
        self.steps.take("was read")
        return reading


class SteppingCatalog(FakeCatalog):
    """Tells when it settles."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(RunningClock())
        self.steps = steps

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Settle."""
        self.steps.take(f"settle {type(outcomes[0]).__name__}")
        lost = await super().settle(outcomes)
        self.steps.take(f"settled {type(outcomes[0]).__name__}")
        return lost


def use_steps(bench: Bench, dies_at: str | None = None) -> Steps:
    """Watch the steps of storage and catalog."""
    steps = Steps(dies_at)
    bench.storage, bench.catalog = SteppingStorage(bench.spool, steps), SteppingCatalog(steps)
    bench.registrar = Registrar(bench.catalog, bench.policy)
    return steps


async def carry_one(bench: Bench) -> None:
    """Claim the one recording there is and carry it."""
    await bench.flow.carry(await bench.claim())


async def carry_new(bench: Bench, *errors: ArchiverError) -> None:
    """Carry the recording r1, whose media is refused with these errors."""
    bench.offer("r1")
    bench.provider.fail("open_media", *errors)
    async with bench.start():
        await bench.record("r1")
        await carry_one(bench)


async def test_the_order_of_durable_effects(bench: Bench) -> None:
    """Published under its key, then ``stored``, then read back, then ``verified``: never otherwise (R2)."""
    steps = use_steps(bench)
    await carry_new(bench)
    assert steps.taken == ORDER
    assert await bench.state() is State.VERIFIED
    assert (bench.tally.stored, bench.tally.verified, bench.tally.bytes) == (1, 1, len(wav(b"r1" * 500)))


@pytest.mark.parametrize("step", ORDER)
async def test_a_crash_at_any_step_only_repeats_work(bench: Bench, step: str) -> None:
    """Killed at any step, the next carry brings it to ``verified``; what was stored is not fetched again (R1, O6)."""
    use_steps(bench, dies_at=step)
    with pytest.raises(BaseException) as death:  # noqa: PT011  a group of the death, or of what it did to a waiter
        await carry_new(bench)
    assert not isinstance(death.value, AssertionError)
    bench.catalog.clock.advance(HOUR)
    bench.registrar = Registrar(bench.catalog, bench.policy)
    async with bench.start():
        if await bench.state() is not State.VERIFIED:
            await carry_one(bench)
    assert await bench.state() is State.VERIFIED
    assert sum(not key.endswith(".json") for key in bench.storage.objects) == 1
    assert len(bench.provider.media_requests) == (2 if ORDER.index(step) < 3 else 1)


OUTCOMES = [
    (Unreachable("reset"), State.PENDING, Reason.RETRY, 1),
    (Throttled("wait"), State.PENDING, Reason.RETRY, 1),
    (IntegrityError("cut"), State.PENDING, Reason.RETRY, 1),
    (StorageError("full"), State.PENDING, Reason.RETRY, 1),
    (Gone("404"), State.PENDING, Reason.RETRY, 1),
    (ArchiverError("odd"), State.PENDING, Reason.RETRY, 1),
    (NotReady("soon"), State.PENDING, Reason.NOT_READY, 0),
    (Permanent("402"), State.FAILED, None, 1),
]


@pytest.mark.parametrize(
    ("error", "state", "reason", "attempts"), OUTCOMES, ids=[type(it[0]).__name__ for it in OUTCOMES]
)
async def test_every_error_has_its_outcome(
    bench: Bench, error: ArchiverError, state: State, reason: Reason | None, attempts: int
) -> None:
    """Only permanent evidence fails a recording; waiting uses no attempt; the error is kept and logged (B5, R3)."""
    with capture_logs() as logs:
        await carry_new(bench, error)
    (found,) = await bench.catalog.lookup("r1", None)
    assert (found.state, found.reason, found.attempts, found.error) == (state, reason, attempts, str(error))
    (line,) = [line for line in logs if line["event"] == "recording_not_archived"]
    assert (line["account"], line["recording_id"], line["code"]) == ("acme", "r1", error.code)
    assert (bench.tally.failed, bench.tally.refused) == (state is State.FAILED, 1)


async def test_a_wait_that_was_asked_for_is_kept(bench: Bench) -> None:
    """The next attempt is not due before the provider's own wait has passed (P1)."""
    began = bench.catalog.clock.now()
    await carry_new(bench, Throttled("wait", retry_after=HOUR))
    (found,) = await bench.catalog.lookup("r1", None)
    assert found.next_attempt_at is not None
    assert found.next_attempt_at >= began + HOUR


async def test_our_own_mistake_is_recorded(bench: Bench) -> None:
    """An unexpected exception is logged with its traceback and kept on the recording; it kills nobody."""
    bench.provider.find = {}.__getitem__  # type: ignore[method-assign, assignment]  # an adapter with a bug
    with capture_logs() as logs:
        await carry_new(bench)
    (found,) = await bench.catalog.lookup("r1", None)
    assert (found.state, found.error) == (State.PENDING, "internal error: KeyError: 'r1'")
    assert {"event": "recording_broke_us", "account": "acme", "recording_id": "r1"}.items() <= logs[0].items()


async def test_a_storage_in_trouble_loses_nothing(bench: Bench) -> None:
    """Disk full: the recording stays pending with the error, and no part is left (R3)."""
    bench.storage.trouble = StorageError("/srv: No space left on device")
    bench.offer("r1", body=wav(bytes(3 << 20)))
    async with bench.start():
        await bench.record("r1")
        await carry_one(bench)
        assert await bench.state() is State.PENDING
        assert not list(bench.spool.iterdir())
        bench.storage.trouble = None
        await carry_one(bench)
        assert await bench.state() is State.VERIFIED


async def test_a_taken_key_is_left_alone(bench: Bench) -> None:
    """Other bytes under the key are not replaced; the recording stays pending with the error (R2)."""
    bench.storage.objects[Key("acme/r1.wav")] = b"another recording"
    await carry_new(bench)
    (found,) = await bench.catalog.lookup("r1", None)
    assert found.state is State.PENDING
    assert "taken" in (found.error or "")
    assert bench.storage.objects[Key("acme/r1.wav")] == b"another recording"


async def test_damage_is_found_and_healed(bench: Bench) -> None:
    """Other bytes read back make it ``damaged``; the next carry fetches it again, and keeps the damaged ones (R6)."""
    bench.offer("r1")
    bench.storage = FlippingStorage(bench.spool)
    async with bench.start():
        await bench.record("r1")
        await carry_one(bench)
        assert await bench.state() is State.DAMAGED
        bench.catalog.clock.advance(HOUR)
        await carry_one(bench)
    assert await bench.state() is State.VERIFIED
    assert len(bench.storage.damaged[Key("acme/r1.wav")]) == 1
    assert (bench.tally.stored, bench.tally.verified) == (2, 1)


class FlippingStorage(FakeStorage):
    """A bit flips before the first reading."""

    async def read_back(self, key: Key) -> Reading:
        """Flip, then read."""
        if not self.damaged and self.published == 1:
            self.objects[key] = bytes([self.objects[key][0] ^ 1]) + self.objects[key][1:]
        return await super().read_back(key)


async def test_a_stored_one_is_only_read_back(bench: Bench) -> None:
    """A storage that cannot be read says nothing about the object: it stays ``stored``, and is not fetched (O6)."""
    steps = use_steps(bench, dies_at="settled Stored")
    with pytest.raises(BaseExceptionGroup):
        await carry_new(bench)
    bench.catalog.clock.advance(HOUR)
    bench.registrar = Registrar(bench.catalog, bench.policy)
    async with bench.start():
        bench.storage.trouble = StorageError("EIO")
        await carry_one(bench)
        assert await bench.state() is State.STORED
        bench.storage.trouble = None
        await carry_one(bench)
    assert await bench.state() is State.VERIFIED
    assert (len(bench.provider.media_requests), steps.taken.count("publish")) == (1, 1)


async def test_refused_credentials_give_it_back(bench: Bench) -> None:
    """Denied is raised, and the recording is due at once with no attempt used."""
    bench.offer("r1")
    bench.provider.fail("open_media", Denied("401"))
    async with bench.start():
        await bench.record("r1")
        claim = await bench.claim()
        with pytest.raises(Denied):
            await bench.flow.carry(claim)
        assert (await bench.claim()).attempts == 0


async def test_a_cancelled_carry_gives_it_back(bench: Bench) -> None:
    """Cancelled while it downloads, the recording is due at once, and the cancellation goes on."""
    provider = bench.provider = GatedProvider()
    bench.offer("r1")
    async with bench.start():
        await bench.record("r1")
        carrying = asyncio.create_task(carry_one(bench))
        await provider.opened.wait()
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        assert (await bench.claim()).attempts == 0


async def test_a_lost_lease_changes_nothing(bench: Bench) -> None:
    """Whoever lost the lease neither changes the row nor raises; the heir's work counts (R5)."""
    bench.offer("r1")
    async with bench.start():
        await bench.record("r1")
        late = await bench.claim()
        bench.catalog.clock.advance(HOUR)
        heir = await bench.claim()
        await bench.flow.carry(late)
        assert await bench.state() is State.PENDING
        assert (bench.tally.stored, bench.tally.verified) == (0, 0)
        await bench.flow.carry(heir)
    assert await bench.state() is State.VERIFIED
