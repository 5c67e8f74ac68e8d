"""Where tests of buckets stand: a server, a client of it, and fresh prefixes and buckets on demand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.model.secret import Secret
from archiver.storage.s3.abilities import Abilities
from archiver.storage.s3.client import open_client
from archiver.storage.s3.names import Names
from archiver.storage.s3.options import S3Options
from archiver.storage.s3.storage import S3Storage
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


def options_for(endpoint: str, spool: Path, **more: Any) -> S3Options:
    """Options that reach a server of ``tests.servers.s3``."""
    return replace(
        S3Options(
            spool=spool,
            spool_size=2**30,
            endpoint=endpoint,
            access_key_id=Secret(ACCESS_KEY_ID),
            secret_access_key=Secret(SECRET_ACCESS_KEY),
            path_style=True,
            allow_http=True,
        ),
        **more,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server that was probed once. Storages on it know its abilities, and each is empty."""

    server: S3Server
    client: "S3Client"
    bucket: str
    abilities: Abilities

    def storage(self, folder: Path, bucket: str | None = None, **more: Any) -> S3Storage:
        """An empty storage, below a prefix of its own; ``more`` are its options."""
        spool = folder / "spool"
        spool.mkdir(exist_ok=True)
        names = Names(bucket or self.bucket, f"test/{uuid4().hex}")
        storage = S3Storage(self.client, names, options_for(self.server.endpoint, spool, **more))
        storage.bucket.abilities = self.abilities
        return storage

    async def new_bucket(self, *, can_lock: bool = False) -> str:
        """A bucket of the test's own."""
        name = f"bucket-{uuid4().hex[:12]}"
        await self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=can_lock)
        return name

    async def broken(self, folder: Path) -> S3Storage:
        """A storage whose bucket is gone, which was noticed."""
        storage = self.storage(folder, await self.new_bucket())
        await self.client.delete_bucket(Bucket=storage.bucket.name)
        with suppress(StorageError):
            await storage.read_back(Key("a/b"))
        return storage


@asynccontextmanager
async def ground_on(server: S3Server, folder: Path) -> AsyncIterator[Ground]:
    """A client, a bucket, and what the probe of it found."""
    async with open_client(options_for(server.endpoint, folder)) as client:
        ground = Ground(server=server, client=client, bucket="ground", abilities=Abilities())
        await client.create_bucket(Bucket=ground.bucket)
        storage = ground.storage(folder)
        await storage.probe()
        yield replace(ground, abilities=storage.bucket.abilities)


async def names_in(storage: S3Storage) -> set[str]:
    """Everything that lies in a storage, ours under ``.archiver/`` included, without its prefix."""
    prefix = storage.url.removeprefix(f"s3://{storage.bucket.name}/") + "/"
    return {entry.name.removeprefix(prefix) for entry in await storage.bucket.entries(prefix)}


async def uploads_in(storage: S3Storage) -> list[str]:
    """The multipart uploads that are under way in a storage."""
    prefix = storage.url.removeprefix(f"s3://{storage.bucket.name}/") + "/"
    return [upload.name for upload in await storage.bucket.uploads(prefix)]
