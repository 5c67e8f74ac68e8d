"""A bucket as a storage.

Choice: nothing here tries again or waits for a store to come back; what may pass is raised as ``StorageUnavailable``,
and the pipeline decides. While the latest request failed, ``admit`` makes a small one, so that no new work is begun for
a store that is away; otherwise it makes none.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archiver.model.errors import ConfigError, StorageError
from archiver.model.objects import Key
from archiver.ports.storage import LivingLeases, Publication, Reading
from archiver.storage.s3.answers import Absent
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.client import open_client
from archiver.storage.s3.names import Names
from archiver.storage.s3.options import S3Options
from archiver.storage.s3.probing import Probe
from archiver.storage.s3.publishing import Publisher
from archiver.storage.s3.room import Room
from archiver.storage.s3.sweeping import Sweep

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_MUST_READ: Final = (
    'the store does not keep a SHA-256 that it checked, so storage.s3.verify = "checksum" proves nothing there: copies '
    "are read"
)


class S3Storage:
    """Objects in a bucket; see the port for what its methods promise."""

    def __init__(self, client: "S3Client", names: Names, options: S3Options) -> None:
        idle_s = options.idle_timeout.total_seconds()
        self.bucket = Bucket(client=client, name=names.bucket, idle_s=idle_s, common=_encryption(options))
        self._names = names
        self._options = options
        self._room = Room(options.spool, options.spool_size)
        self._publisher = Publisher(self.bucket, names, options)

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self._names.url

    @property
    def spool(self) -> Path:
        """The folder that the options name."""
        return self._room.folder

    async def admit(self) -> None:
        """Wait for room in the spool; ask the store only when it was in trouble a moment ago."""
        if self.bucket.trouble is not None:
            await self.bucket.require(self._names.probes)
        await self._room.admit()

    async def probe(self) -> Sequence[str]:
        """Find out what the store can do; about 20 small requests."""
        await self._room.lay_out()
        probe = Probe(bucket=self.bucket, names=self._names, lock=self._options.object_lock)
        self.bucket.abilities = abilities = await probe.run()
        must_read = self._options.verify == "checksum" and not abilities.keeps_checksums
        return [*abilities.lacks(), *([_MUST_READ] if must_read else [])]

    async def publish(self, publication: Publication) -> None:
        """Publish in two puts, where nothing lies; see ``publishing`` for what else may happen."""
        with self._room.leaving():
            await self._publisher.publish(publication)

    async def read_back(self, key: Key) -> Reading:
        """Read the object and hash it (``read``), or ask for the SHA-256 that the store checked (``checksum``).

        The latter only where the operator chose it, the probe saw that it proves something, and the object was put in
        one piece; everything else is read.
        """
        name = self._names.object(key)
        if self._options.verify == "checksum" and self.bucket.abilities.keeps_checksums:
            head = await self.bucket.head(name)
            if head is not None and head.checksum is not None:
                return Reading(digest=head.checksum, size_bytes=head.size_bytes, method="checksum")
        found = await self.bucket.look(name)
        if found is None:
            await self.bucket.require(self._names.probes)
            return Reading(digest=None, size_bytes=0, method="absent")
        return Reading(digest=found.digest, size_bytes=found.size_bytes, method="read")

    @asynccontextmanager
    async def open(self, key: Key) -> AsyncIterator[AsyncIterator[bytes]]:
        """The object in chunks of 1 MiB at most."""
        try:
            async with self.bucket.get(self._names.object(key)) as opened:
                yield opened.chunks
        except Absent as error:
            raise StorageError(f"there is no {key} in {self.url}") from error

    async def sweep(self, living: LivingLeases) -> int:
        """Remove dead parts from the spool, abort dead uploads, then remove probes that somebody left behind."""
        is_locked = self._options.object_lock is not None
        return await Sweep(bucket=self.bucket, names=self._names, spool=self.spool, is_locked=is_locked).run(living)


@asynccontextmanager
async def open_bucket(names: Names, options: S3Options) -> AsyncIterator[S3Storage]:
    """A storage over a client of its own, which is closed with it. Raises: ConfigError."""
    if options.storage_class in _ARCHIVES:
        raise ConfigError(
            f"what lies in {options.storage_class} cannot be read back without being restored for hours",
            key="storage.s3.storage_class",
            fix='store in "GLACIER_IR", or let a lifecycle rule of the bucket move objects after they were verified',
        )
    async with open_client(options) as client:
        yield S3Storage(client, names, options)


def _encryption(options: S3Options) -> dict[str, Any]:
    headers = {"ServerSideEncryption": options.sse, "SSEKMSKeyId": options.kms_key_id}
    return {name: value for name, value in headers.items() if value is not None}
