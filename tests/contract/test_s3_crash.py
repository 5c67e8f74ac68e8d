"""Killed at every request, and met by another writer between any two: what lies in the bucket then, and after."""

import asyncio
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest

from archiver.model.errors import KeyTaken, StorageUnavailable
from archiver.model.objects import Key
from archiver.ports.storage import Publication
from archiver.storage.s3.names import sidecar_of
from archiver.storage.s3.storage import S3Storage
from tests.contract.s3 import all_dead, names_of
from tests.contract.storage import FIRST, KEY, SECOND, content_of, digest_of, publication
from tests.servers.clients import Killed, MortalClient, PacedClient
from tests.servers.ground import Ground, names_in, options_for, uploads_in

OLD = b'{"of": "the old"}'
NEW = b'{"of": "the new"}'


def twin(storage: S3Storage, client: object, folder: Path, **more: Any) -> S3Storage:
    """The same storage in another process, as it were, over a client of its own."""
    folder.mkdir(exist_ok=True)
    options = options_for(storage.bucket.client.meta.endpoint_url, folder, **more)
    other = S3Storage(cast("Any", client), names_of(storage), options)
    other.bucket.abilities = storage.bucket.abilities
    return other


def fresh() -> Publication:
    """New bytes where nothing lies."""
    return publication(SECOND, sidecar=NEW)


def better() -> Publication:
    """New bytes for those that were found damaged."""
    return publication(SECOND, sidecar=NEW, replaces=digest_of(FIRST))


async def pair_in(storage: S3Storage) -> tuple[bytes | None, bytes | None]:
    """Audio and sidecar under the key."""
    return await content_of(storage, KEY), await content_of(storage, Key(f"{KEY}.json"))


@pytest.mark.parametrize("multipart_above", [2**20, 0], ids=["small", "large"])
@pytest.mark.parametrize("make", [fresh, better])
async def test_killed_at_every_request(
    make: Callable[[], Publication], multipart_above: int, weed: Ground, tmp_path: Path
) -> None:
    """R1: whatever request is the last, the audio under the key is whole, and a sweep and a repeat do the rest."""
    for requests in range(1, 40):
        storage = weed.storage(tmp_path, multipart_above=multipart_above)
        if make is better:
            await storage.publish(publication(FIRST, sidecar=OLD))
        client = MortalClient(weed.client, requests)
        try:
            await twin(storage, client, tmp_path / "mortal", multipart_above=multipart_above).publish(make())
        except Killed:
            assert await pair_in(storage) in {(None, None), (None, NEW), (FIRST, OLD), (FIRST, NEW), (SECOND, NEW)}
        await storage.sweep(all_dead)
        await storage.publish(make())
        await _check_end(storage, was_damaged=make is better)
        if not client.is_dead:
            assert requests > 2
            return
    pytest.fail("it never came to an end")


async def _check_end(storage: S3Storage, *, was_damaged: bool) -> None:
    """The new pair, the old one aside, and nothing else."""
    assert await pair_in(storage) == (SECOND, NEW)
    assert not await uploads_in(storage)
    assert len(await names_in(storage)) == (4 if was_damaged else 2)
    if was_damaged:
        aside = names_of(storage).aside(KEY, digest_of(FIRST))
        kept, beside = await storage.bucket.read(aside), await storage.bucket.read(sidecar_of(aside))
        assert (kept and kept.content, beside and beside.content) == (FIRST, OLD)


@pytest.mark.parametrize("has_leftover", [False, True], ids=["bare", "leftover"])
async def test_two_writers_step_by_step(weed: Ground, tmp_path: Path, *, has_leftover: bool) -> None:
    """R5: however two writers of different bytes take turns, one pair wins whole, and the other bytes lie aside."""
    for steps in product(range(5), range(1, 5)):
        storage = weed.storage(tmp_path)
        if has_leftover:
            await storage.bucket.put(f"{names_of(storage).object(KEY)}.json", OLD, digest_of(OLD), None)
        pairs = {FIRST: b'{"of": "one"}', SECOND: b'{"of": "two"}'}
        outcomes = await _race(
            storage, tmp_path, [publication(*pair[:1], sidecar=pair[1]) for pair in pairs.items()], steps
        )
        audio, sidecar = await pair_in(storage)
        assert audio is not None
        assert sidecar == pairs[audio], f"{steps}: {outcomes}"
        assert [type(one) for one in outcomes if one] in ([KeyTaken], [StorageUnavailable])


async def _race(
    storage: S3Storage, folder: Path, publications: list[Publication], steps: tuple[int, int]
) -> list[object]:
    """The first makes so many requests, then the second so many, then the first goes on to its end, and the second."""
    clients = [PacedClient(storage.bucket.client) for _ in publications]
    writers = [twin(storage, client, folder / "writer") for client in clients]
    tasks = [asyncio.create_task(writer.publish(one)) for writer, one in zip(writers, publications, strict=True)]
    for client, task, count in zip(clients, tasks, steps, strict=True):
        await client.advance(task, count)
    for client, task in zip(clients, tasks, strict=True):
        client.free()
        await asyncio.wait([task])
    return [task.exception() for task in tasks]
