"""Large bodies in parts, and why no upload is left behind.

A multipart upload is invisible and costs money until it is completed or aborted, and its id is known only to whoever
began it. So each is written down under its lease, in a marker ``.archiver/parts/LEASE.json``:

1. the marker is put, with the object's name;
2. the upload is begun: the store gives its id;
3. the marker is put again, with the id, before the first part;
4. the parts go up, the upload is completed, the marker is deleted.

Whoever is left alive after a kill finds the marker, because it was there before the upload was:

- killed before 2: the marker names no upload, and there is none. The sweep removes it.
- killed between 2 and 3: the marker names the object only. The sweep asks the store which uploads of that object are
  under way, and aborts those that no other marker may claim: it lists the uploads first and the markers after, so
  whatever was begun before the first list has its marker in the second, unless it has ended.
- killed between 3 and the end of 4: the marker names the upload. The sweep aborts it; one that was completed is unknown
  to the store by then, which is as good.

An error or a cancellation aborts at once, shielded, and deletes the marker then only. A try again under the same lease
first aborts what the marker of the try before names. One hole is left: a writer that lost its lease, slept between 1
and 2 while a sweep removed its marker, woke up, and was killed before 3. A rule of the bucket that aborts stale uploads
(AbortIncompleteMultipartUpload) closes it.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from archiver.model.errors import ArchiverError, StorageError, StorageUnavailable
from archiver.model.objects import Body, Digest
from archiver.model.recording import LeaseId
from archiver.storage.s3.answers import Unsupported, UploadLost
from archiver.storage.s3.bodies import Content, digest_range, opened
from archiver.storage.s3.bucket import Bucket, Condition, Headers, claim
from archiver.storage.s3.names import Names
from archiver.storage.s3.waiting import finished

_MOST_PARTS: Final = 10_000
_STEP_BYTES: Final = 1 << 20
_PARTS_AT_ONCE: Final = 8
_PARTS_OF_ONE: Final = 4
_ABORT_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a large body goes, under which condition and lease, and with which headers."""

    name: str
    lease: LeaseId
    condition: Condition | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What is written down of an upload; ``upload`` is None while it is not known."""

    name: str
    upload: str | None


class Uploads:
    """Puts large bodies, up to eight parts of them at once, all uploads together.

    ``part_size`` is in bytes; a body of more than 10,000 such parts gets larger ones.
    """

    def __init__(self, bucket: Bucket, names: Names, part_size: int) -> None:
        self._bucket = bucket
        self._names = names
        self._part_size = part_size
        self._slots = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def put(self, body: Body, target: Target) -> None:
        """Put a body. Raises: ConditionFailed; StorageError when its bytes are not its digest; OSError of its file."""
        await self._abort_earlier(target.lease)
        upload = Upload(self._bucket, self._names.marker(target.lease), target)
        try:
            await finished(upload.begin(body.digest))
            parts = await self._send(upload, body)
            await upload.complete(parts)
        except BaseException:
            await upload.give_up()
            raise
        await upload.forget()

    async def _abort_earlier(self, lease: LeaseId) -> None:
        """Abort what an earlier try under this lease may have left."""
        if marker := await read_marker(self._bucket, self._names.marker(lease)):
            await abort(self._bucket, marker.name, [marker.upload] if marker.upload else None)

    async def _send(self, upload: "Upload", body: Body) -> Sequence[Mapping[str, Any]]:
        """Send all parts, hashed one after the other, four on their way; answers what completing wants to know."""
        whole, hashing = hashlib.sha256(), asyncio.Lock()
        cuts, parts = _cuts(body.size_bytes, self._part_size), dict[int, Mapping[str, Any]]()

        async def send() -> None:
            while True:
                async with hashing:
                    if (cut := next(cuts, None)) is None:
                        return
                    number, start, size = cut
                    digest = await finished(asyncio.to_thread(digest_range, body.content, start, size, whole.update))
                async with self._slots:
                    with opened(body.content, start, size) as content:
                        parts[number] = await upload.part(number, content, digest)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_PARTS_OF_ONE):
                    group.create_task(send())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        if whole.digest() != body.digest:
            message = f"the body for {self._bucket.at(upload.name)} has changed in the spool: its digest is another"
            raise StorageError(message, fix="check the disk of transfer.spool")
        return [parts[number] for number in sorted(parts)]


class Upload:
    """One multipart upload and its marker."""

    def __init__(self, bucket: Bucket, marker: str, target: Target) -> None:
        self._bucket = bucket
        self._marker = marker
        self._target = target
        self._id: str | None = None

    @property
    def name(self) -> str:
        """The object that it becomes."""
        return self._target.name

    async def begin(self, digest: Digest) -> None:
        """Steps 1 to 3 of the module's."""
        await self.write_down()
        algorithm = {"ChecksumAlgorithm": "SHA256"} if self._bucket.abilities.takes_checksums else {}
        begun = await self._bucket.call(
            "create_multipart_upload",
            self.name,
            Metadata=claim(digest),
            **algorithm,
            **{**self._bucket.common, **self._target.headers},
        )
        self._id = begun["UploadId"]
        await self.write_down()

    async def write_down(self) -> None:
        """Put the marker, with as much as is known."""
        text = json.dumps({"name": self.name, "upload_id": self._id}).encode()
        await self._bucket.put(self._marker, text, Digest(hashlib.sha256(text).digest()), None)

    async def part(self, number: int, content: Content, digest: Digest) -> Mapping[str, Any]:
        """Send a part; answers what completing wants to know of it."""
        checksum = self._bucket.checksum(digest)
        sent = await self._bucket.send(
            "upload_part", self.name, content, UploadId=self._id, PartNumber=number, **checksum
        )
        part = {"PartNumber": number, "ETag": sent["ETag"]}
        return part | {"ChecksumSHA256": checksum["ChecksumSHA256"]} if checksum else part

    async def complete(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """Make an object of the parts. Raises: ConditionFailed."""
        conditional = await self._bucket.conditional(self.name, self._target.condition, is_large=True)
        done = await self._bucket.call(
            "complete_multipart_upload",
            self.name,
            UploadId=self._id,
            MultipartUpload={"Parts": parts},
            **conditional,
        )
        if not done.get("ETag"):
            raise StorageUnavailable(f"{self._bucket.at(self.name)} was completed without an ETag")

    async def give_up(self) -> None:
        """Abort, also while being cancelled. What fails is left to the marker, which is not deleted then."""
        with suppress(ArchiverError, TimeoutError):
            await finished(self._give_up())

    async def forget(self) -> None:
        """Delete the marker; one that stays is swept."""
        with suppress(ArchiverError):
            await self._bucket.delete(self._marker)

    async def _give_up(self) -> None:
        async with asyncio.timeout(_ABORT_WITHIN_S):
            await abort(self._bucket, self.name, [self._id] if self._id else None)
            await self._bucket.delete(self._marker)


async def read_marker(bucket: Bucket, name: str) -> Marker | None:
    """What a marker says; None when there is none, or it says nothing that we understand."""
    found = await bucket.read(name)
    try:
        document = json.loads(found.content) if found else {}
        return Marker(name=str(document["name"]), upload=document["upload_id"])
    except (ValueError, KeyError, TypeError):
        return None


async def uploads_of(bucket: Bucket, name: str) -> Sequence[str]:
    """The ids of an object's uploads that are under way, as far as the store tells."""
    try:
        return [one.version for one in await bucket.uploads(name) if one.name == name and one.version]
    except Unsupported:
        return ()


async def abort(bucket: Bucket, name: str, uploads: Sequence[str] | None) -> int:
    """Abort uploads of an object, all there are for None; answers how many the store still knew."""
    count = 0
    for upload in await uploads_of(bucket, name) if uploads is None else uploads:
        with suppress(UploadLost):
            await bucket.call("abort_multipart_upload", name, UploadId=upload)
            count += 1
    return count


def _cuts(size_bytes: int, part_size: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and length of each part; all but the last are equally long."""
    least = -(-size_bytes // _MOST_PARTS)
    size = max(part_size, -(-least // _STEP_BYTES) * _STEP_BYTES)
    for number, start in enumerate(range(0, size_bytes, size), 1):
        yield number, start, min(size, size_bytes - start)
