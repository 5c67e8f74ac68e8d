"""Fixity: what is kept is read back, compared, and named when it is another."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.jobs.fixity import Fixity, FixityTally, Selection
from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.model.recording import State
from archiver.ports.storage import Reading
from tests.fakes.storage import FakeStorage
from tests.unit.pipeline.bench import Bench
from tests.unit.pipeline.sounds import wav

NAMES = ["r1", "r2", "r3", "r4", "r5"]


class PatchyStorage(FakeStorage):
    """A storage in which some keys cannot be read."""

    def __init__(self, spool: Path) -> None:
        super().__init__(spool)
        self.unreadable: set[Key] = set()

    async def read_back(self, key: Key) -> Reading:
        """Read, unless the medium refuses."""
        if key in self.unreadable:
            raise StorageError(f"cannot read {key} back: EIO")
        return await super().read_back(key)


@pytest.fixture
async def archived(tmp_path: Path) -> AsyncIterator[Bench]:
    """Five recordings, archived and verified."""
    bench = Bench(spool=tmp_path)
    bench.storage = PatchyStorage(tmp_path)
    bench.offer(*NAMES)
    async with bench.start():
        await bench.one_pass().run()
        yield bench


def key(name: str) -> Key:
    """Where a recording lies."""
    return Key(f"acme/{name}.wav")


async def read_back(bench: Bench, concurrency: int = 2) -> FixityTally:
    """Read everything back."""
    tally = FixityTally()
    job = Fixity(
        custody=bench.catalog,
        work=bench.catalog,
        storage=bench.storage,
        policy=bench.policy,
        lease=bench.lease,
        concurrency=concurrency,
        tally=tally,
    )
    await job.run([Selection(account=bench.account.name, not_since=await bench.catalog.now())])
    return tally


async def test_everything_is_read_once(archived: Bench) -> None:
    """Each copy is read once, whatever the number of readers, and its verification renewed."""
    before = (await archived.catalog.lookup("r1", archived.account.name))[0].verified_at
    tally = await read_back(archived)
    assert (tally.total, tally.checked, tally.ok, tally.is_sound) == (5, 5, 5, True)
    assert tally.bytes == sum(len(wav(name.encode() * 500)) for name in NAMES)
    (after,) = await archived.catalog.lookup("r1", archived.account.name)
    assert before is not None
    assert after.verified_at is not None
    assert after.verified_at > before


async def test_what_is_another_is_named_and_healed(archived: Bench) -> None:
    """R6: flipped, cut, swapped and missing objects are named; the next pass heals them all and keeps the others."""
    objects = archived.storage.objects
    flipped = bytearray(objects[key("r1")])
    flipped[-1] ^= 1
    objects[key("r1")] = bytes(flipped)
    objects[key("r2")] = objects[key("r2")][:-1]
    objects[key("r3")] = objects[key("r4")]
    del objects[key("r5")]
    tally = await read_back(archived)
    assert sorted(tally.damaged) == ["acme/r1", "acme/r2", "acme/r3"]
    assert tally.missing == ["acme/r5"]
    assert await archived.states() == {State.DAMAGED: 4, State.VERIFIED: 1}
    await archived.one_pass().run()
    assert await archived.states() == {State.VERIFIED: 5}
    assert objects[key("r1")] == wav(b"r1" * 500)
    assert archived.storage.damaged[key("r1")] == [bytes(flipped)]
    assert (await read_back(archived)).is_sound


async def test_an_unreadable_copy_keeps_its_state(archived: Bench) -> None:
    """A copy that cannot be read is named, and nothing is said of its bytes; the others are read."""
    assert isinstance(archived.storage, PatchyStorage)
    archived.storage.unreadable.add(key("r2"))
    tally = await read_back(archived)
    assert (tally.unreadable, tally.ok, tally.is_sound) == (["acme/r2"], 4, False)
    assert await archived.states() == {State.VERIFIED: 5}


async def test_a_lost_storage_damages_nothing(archived: Bench) -> None:
    """A storage that went away ends the run; no recording becomes damaged for that, and none stays held."""
    archived.storage.trouble = StorageError("the storage has lost its folder")
    with pytest.raises(ExceptionGroup):
        await read_back(archived)
    archived.storage.trouble = None
    assert await archived.states() == {State.VERIFIED: 5}
    assert (await read_back(archived)).checked == 5


async def test_drained_it_claims_no_more(archived: Bench) -> None:
    """Drained, what is being read is finished, and nothing more is begun."""
    tally = FixityTally()
    job = Fixity(
        custody=archived.catalog,
        work=archived.catalog,
        storage=archived.storage,
        policy=archived.policy,
        lease=timedelta(minutes=1),
        concurrency=2,
        tally=tally,
    )
    job.drain()
    await job.run([Selection(account=archived.account.name, not_since=await archived.catalog.now())])
    assert (tally.total, tally.checked) == (5, 0)
