"""What holds of a bucket beyond the suite of all storages: what is kept aside, large bodies, and sweeping."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from archiver.model.errors import KeyTaken, StorageError
from archiver.model.objects import Body, Digest, Key
from archiver.model.recording import LeaseId
from archiver.ports.storage import Publication
from archiver.storage.s3.bucket import NEW
from archiver.storage.s3.multipart import Target, Upload
from archiver.storage.s3.names import Names, sidecar_of, split_url
from archiver.storage.s3.storage import S3Storage
from archiver.storage.s3.sweeping import Sweep
from tests.contract.storage import DOCUMENT, FIRST, KEY, SECOND, content_of, digest_of, publication
from tests.servers.ground import names_in, uploads_in

LARGE = FIRST * 512 + b"the end"
"""Two parts, the first of 5 MiB."""

PAIR = {KEY, f"{KEY}.json"}


def large_publication(
    storage: S3Storage, content: bytes = LARGE, *, size_bytes: int | None = None, replaces: Digest | None = None
) -> Publication:
    """A publication of a spooled body, under a lease of its own."""
    lease = LeaseId(uuid4())
    path = storage.spool / f"{lease}.part"
    path.write_bytes(content)
    body = Body(content=path, digest=digest_of(content), size_bytes=size_bytes or len(content))
    return Publication(key=KEY, body=body, sidecar=DOCUMENT, lease=lease, replaces=replaces)


def names_of(storage: S3Storage) -> Names:
    """The names in a storage."""
    return split_url(storage.url)


async def abandon(storage: S3Storage, lease: LeaseId, key: Key = KEY) -> None:
    """Begin a multipart upload, and be killed."""
    names = names_of(storage)
    target = Target(name=names.object(key), lease=lease, condition=NEW, headers={})
    await Upload(storage.bucket, names.marker(lease), target).begin(digest_of(LARGE))


async def all_dead(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
    """Nobody lives."""
    return frozenset()


class S3Contract:
    """Subclasses supply ``storage`` and ``parted``, which puts everything in parts of 5 MiB; both are empty."""

    async def test_a_probe_says_what_it_found_and_leaves_nothing(self, storage: S3Storage) -> None:
        """What the store lacks is what its abilities say; neither an object nor an upload is left."""
        assert await storage.probe() == storage.bucket.abilities.lacks()
        assert not await names_in(storage)
        assert not await uploads_in(storage)

    async def test_a_leftover_sidecar_is_replaced(self, storage: S3Storage) -> None:
        """R1: a sidecar without audio is what a killed writer left; the new pair takes its place."""
        await storage.bucket.put(sidecar_of(names_of(storage).object(KEY)), b"{}", digest_of(b"{}"), None)
        await storage.publish(publication(FIRST))
        assert await content_of(storage, Key(f"{KEY}.json")) == DOCUMENT
        assert await names_in(storage) == PAIR

    async def test_a_leftover_sidecar_goes_when_none_is_wanted(self, storage: S3Storage) -> None:
        """R1: without a sidecar of its own the audio does not inherit the leftover."""
        await storage.bucket.put(sidecar_of(names_of(storage).object(KEY)), b"{}", digest_of(b"{}"), None)
        await storage.publish(publication(FIRST, sidecar=None))
        assert await names_in(storage) == {KEY}

    async def test_damaged_bytes_are_kept_with_their_sidecar(self, storage: S3Storage) -> None:
        """R6: a replaced pair lies under ``.archiver/damaged/``, once, however often that is tried."""
        await storage.publish(publication(FIRST, sidecar=b"{}"))
        for _ in range(2):
            await storage.publish(publication(SECOND, replaces=digest_of(FIRST)))
        aside = names_of(storage).aside(KEY, digest_of(FIRST))
        kept, beside = await storage.bucket.read(aside), await storage.bucket.read(sidecar_of(aside))
        assert (kept and kept.content, beside and beside.content) == (FIRST, b"{}")
        assert len(await names_in(storage)) == 4

    async def test_refused_bytes_are_kept_with_their_sidecar(self, storage: S3Storage) -> None:
        """R2: bytes that found their key taken lie under ``.archiver/damaged/``, once, however often they come."""
        await storage.publish(publication(FIRST))
        for _ in range(2):
            with pytest.raises(KeyTaken):
                await storage.publish(publication(SECOND, sidecar=b"{}"))
        aside = names_of(storage).aside_new(KEY, digest_of(SECOND))
        kept, beside = await storage.bucket.read(aside), await storage.bucket.read(sidecar_of(aside))
        assert (kept and kept.content, beside and beside.content) == (SECOND, b"{}")
        assert len(await names_in(storage)) == 4

    async def test_bytes_damaged_on_their_way_make_way(self, storage: S3Storage) -> None:
        """O4: other bytes that claim to be these were put by an earlier try, and are replaced by it."""
        await storage.bucket.client.put_object(
            Bucket=storage.bucket.name,
            Key=names_of(storage).object(KEY),
            Body=SECOND,
            Metadata={"sha256": digest_of(FIRST).hex()},
        )
        await storage.publish(publication(FIRST))
        assert await content_of(storage, KEY) == FIRST

    async def test_a_crash_amid_replacing_is_repeated(self, storage: S3Storage) -> None:
        """R1: when the copy aside and the new sidecar are all that a killed writer got to, the repeat does the rest."""
        await storage.publish(publication(FIRST, sidecar=b"{}"))
        names, bucket = names_of(storage), storage.bucket
        aside = names.aside(KEY, digest_of(FIRST))
        await bucket.copy(sidecar_of(names.object(KEY)), sidecar_of(aside))
        await bucket.copy(names.object(KEY), aside)
        await bucket.put(sidecar_of(names.object(KEY)), DOCUMENT, digest_of(DOCUMENT), None)
        await storage.publish(publication(SECOND, replaces=digest_of(FIRST)))
        beside = await bucket.read(sidecar_of(aside))
        assert await content_of(storage, KEY) == SECOND
        assert beside is not None
        assert beside.content == b"{}"

    async def test_a_large_body_goes_up_in_parts(self, parted: S3Storage) -> None:
        """O4: it is read back byte for byte, and neither its file, an upload nor a marker is left."""
        await parted.publish(large_publication(parted))
        reading = await parted.read_back(KEY)
        assert (reading.digest, reading.size_bytes) == (digest_of(LARGE), len(LARGE))
        assert await names_in(parted) == PAIR
        assert not await uploads_in(parted)
        assert not list(parted.spool.iterdir())

    async def test_a_large_body_replaces_a_damaged_one(self, parted: S3Storage) -> None:
        """R6: large bodies move aside whole, and are replaced."""
        await parted.publish(large_publication(parted))
        await parted.publish(large_publication(parted, FIRST, replaces=digest_of(LARGE)))
        aside = await parted.bucket.look(names_of(parted).aside(KEY, digest_of(LARGE)))
        assert await content_of(parted, KEY) == FIRST
        assert aside is not None
        assert aside.digest == digest_of(LARGE)

    async def test_a_large_body_that_changed_in_the_spool_is_refused(self, parted: S3Storage) -> None:
        """O4: an error amid an upload leaves no object, no upload and no marker; the file stays for the repeat."""
        changed = large_publication(parted)
        assert isinstance(changed.body.content, Path)
        changed.body.content.write_bytes(LARGE[:-1] + b"D")
        with pytest.raises(StorageError, match="changed in the spool"):
            await parted.publish(changed)
        assert await names_in(parted) == {f"{KEY}.json"}
        assert not await uploads_in(parted)
        assert changed.body.content.exists()

    async def test_a_cancelled_upload_is_aborted(self, parted: S3Storage) -> None:
        """O4: whoever is cancelled amid an upload has aborted it when the cancellation arrives."""
        cancelled = large_publication(parted, LARGE * 4)
        task = asyncio.create_task(parted.publish(cancelled))
        while not await uploads_in(parted):
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names_in(parted) == {f"{KEY}.json"}
        assert not await uploads_in(parted)

    async def test_uploads_of_the_dead_are_aborted(self, storage: S3Storage) -> None:
        """O4: a sweep aborts the uploads of dead leases with their markers, and leaves those of living ones."""
        living, dead = LeaseId(uuid4()), LeaseId(uuid4())
        await abandon(storage, living)
        await abandon(storage, dead, Key("acme/other.wav"))

        async def ask(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
            assert leases == {living, dead}
            return leases & {living}

        assert await storage.sweep(ask) == 1
        assert await uploads_in(storage) == [names_of(storage).object(KEY)]
        assert await names_in(storage) == {f".archiver/parts/{living}.json"}
        assert await storage.sweep(all_dead) == 1
        assert not await uploads_in(storage)
        assert not await names_in(storage)

    async def test_an_upload_whose_id_was_never_written_down_is_aborted(self, storage: S3Storage) -> None:
        """O4: a writer killed right after it began an upload leaves a marker without id; the sweep finds the upload."""
        lease, name = LeaseId(uuid4()), names_of(storage).object(KEY)
        await self._mark(storage, lease)
        await storage.bucket.client.create_multipart_upload(Bucket=storage.bucket.name, Key=name)
        assert await storage.sweep(all_dead) == 1
        assert not await uploads_in(storage)
        assert not await names_in(storage)

    async def test_an_unknown_upload_that_may_be_a_living_ones_stays(self, storage: S3Storage) -> None:
        """O4: while a living writer of the same key has not written down its id either, nothing is aborted."""
        living, dead, name = LeaseId(uuid4()), LeaseId(uuid4()), names_of(storage).object(KEY)
        for lease in (living, dead):
            await self._mark(storage, lease)
        await storage.bucket.client.create_multipart_upload(Bucket=storage.bucket.name, Key=name)

        async def ask(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
            return leases & {living}

        assert await storage.sweep(ask) == 0
        assert await uploads_in(storage) == [name]
        await abandon(storage, living)
        assert await storage.sweep(ask) == 1
        assert await uploads_in(storage) == [name]

    async def test_a_try_again_aborts_what_the_one_before_left(self, parted: S3Storage) -> None:
        """O4: under the same lease a second try first aborts the upload of the first one."""
        again = large_publication(parted)
        await abandon(parted, again.lease)
        await parted.publish(again)
        assert await names_in(parted) == PAIR
        assert not await uploads_in(parted)

    async def test_old_probes_are_swept(self, storage: S3Storage) -> None:
        """O4: what a killed probe left goes with a later sweep, its upload too; a young one is left alone."""
        names, bucket = names_of(storage), storage.bucket
        for number in range(2):
            await bucket.put(f"{names.probes}{number}", b"x", digest_of(b"x"), None)
        await bucket.client.create_multipart_upload(Bucket=bucket.name, Key=f"{names.probes}2")
        young = Sweep(bucket=bucket, names=names, spool=storage.spool, is_locked=False)
        await young.run(all_dead)
        assert len(await bucket.entries(names.probes)) == 2
        await replace(young, leftover_after=timedelta(days=-1)).run(all_dead)
        assert not await names_in(storage)
        assert not await uploads_in(storage)

    async def _mark(self, storage: S3Storage, lease: LeaseId) -> None:
        """Write a marker as it is before its upload was begun."""
        names = names_of(storage)
        target = Target(name=names.object(KEY), lease=lease, condition=NEW, headers={})
        await Upload(storage.bucket, names.marker(lease), target).write_down()
