"""Storing at a storage that is away for a moment."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.model.errors import KeyTaken, StorageError, StorageUnavailable
from archiver.model.recording import State
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.storage import Publication
from tests.fakes.storage import FakeStorage
from tests.unit.pipeline.bench import Bench

QUICK = RetryPolicy(max_attempts=3, backoff=timedelta(milliseconds=1))


class StormyStorage(FakeStorage):
    """Raises these errors, one after the other, when something is published."""

    def __init__(self, spool: Path, *errors: StorageError) -> None:
        super().__init__(spool)
        self.errors = list(errors)

    async def publish(self, publication: Publication) -> None:
        """Publish, when the storm is over."""
        if self.errors:
            raise self.errors.pop(0)
        await super().publish(publication)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with one recording."""
    bench = Bench(tmp_path, policy=QUICK)
    bench.offer("r1")
    return bench


async def carry(bench: Bench) -> None:
    """Carry the recording once."""
    async with bench.start():
        await bench.record("r1")
        flow = bench.flow
        await replace(flow, shelf=replace(flow.shelf, policy=QUICK)).carry(await bench.claim())


async def test_a_storm_at_the_storage_costs_no_second_download(bench: Bench) -> None:
    """R3: what the storage refused for a moment is published again, out of the spool."""
    bench.storage = StormyStorage(bench.spool, *(StorageUnavailable("SlowDown") for _ in range(2)))
    await carry(bench)
    assert await bench.state() is State.VERIFIED
    assert len(bench.provider.media_requests) == 1


async def test_a_storm_that_lasts_is_a_failed_attempt(bench: Bench) -> None:
    """R3: the storage is asked so often and no more; the recording stays pending, with the error."""
    bench.storage = storage = StormyStorage(bench.spool, *(StorageUnavailable("SlowDown") for _ in range(5)))
    await carry(bench)
    assert await bench.state() is State.PENDING
    assert len(storage.errors) == 2


@pytest.mark.parametrize("error", [KeyTaken("taken"), StorageError("no room")])
async def test_what_will_not_pass_is_not_tried_again(error: StorageError, bench: Bench) -> None:
    """A taken key and a full storage stay what they are: one try."""
    bench.storage = storage = StormyStorage(bench.spool, error, error)
    await carry(bench)
    assert len(storage.errors) == 1
