"""The probe: small objects under ``.archiver/probe/`` that show whether a bucket works, and what it refuses.

Each ability is tried with a request that a good store refuses: to put where something lies, to replace what is not
there, to take bytes that are not their checksum. A store that carries such a request out, or does not know what is
meant by it, lacks the ability.
"""

import hashlib
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from archiver.model.errors import ConfigError, StorageError, StorageUnavailable
from archiver.model.objects import Digest
from archiver.storage.s3.abilities import Abilities
from archiver.storage.s3.answers import ConditionFailed, Corrupted
from archiver.storage.s3.bucket import NEW, Bucket, Condition
from archiver.storage.s3.names import Names

_BODY: Final = b"recording-archiver probe\n"
_OTHER: Final = b"recording-archiver probe, and something else lies here\n"
_NOBODYS: Final = Condition('"00000000000000000000000000000000"')
_LOCKED_FOR: Final = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Probe:
    """One probe of a bucket. ``lock`` is the mode that objects are to be locked in, None for none."""

    bucket: Bucket
    names: Names
    lock: str | None
    _made: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Work on a bucket that sends every condition, whatever is known."""
        self.bucket = replace(self.bucket, abilities=Abilities(new_put=True, matched_put=True))

    async def run(self) -> Abilities:
        """Find out what the store can do. What is left is a locked object at most, which a sweep removes in time.

        Raises: StorageError when the bucket cannot be used at all, or not as it is configured; ConfigError.
        """
        try:
            await self.bucket.require(self.names.probes)
            abilities = await self._try_conditions(await self._try_checksums())
            await self._try_lock()
        except (StorageError, ConfigError):
            with suppress(StorageError, ConfigError):
                await self._clean()
            raise
        await self._clean()
        return abilities

    async def _try_checksums(self) -> Abilities:
        name, takes = self._name(), True
        try:
            await self._put(name, _BODY)
        except StorageUnavailable:
            raise
        except StorageError:  # it may be the checksum that it does not understand
            takes = False
            self.bucket.abilities = replace(self.bucket.abilities, takes_checksums=False)
            await self._put(name, _BODY)
        found = await self.bucket.look(name)
        if found is None or found.digest != _digest(_BODY):
            fix = "check what storage.s3.endpoint names"
            raise StorageError(f"{self.bucket.at(name)} gives back other bytes than it got", fix=fix)
        checks = takes and await _is_refused(self._put(self._name(), _BODY, digest=_digest(_OTHER)))
        head = await self.bucket.head(name) if checks else None
        keeps = head is not None and head.checksum == _digest(_BODY)
        return Abilities(takes_checksums=takes, checks=checks, keeps_checksums=keeps)

    async def _try_conditions(self, abilities: Abilities) -> Abilities:
        name = self._name()
        await self._put(name, _BODY)
        new_put = await _has_failed(self._put(name, _OTHER, NEW))
        matched_put = await _has_failed(self._put(name, _OTHER, _NOBODYS))
        if matched_put and (head := await self.bucket.head(name)):
            matched_put = not await _has_failed(self._put(name, _BODY, Condition(head.etag)))
        new_complete = await self._try_complete(name, NEW)
        matched_complete = await self._try_complete(name, _NOBODYS)
        return replace(
            abilities,
            new_put=new_put,
            matched_put=matched_put,
            new_complete=new_complete,
            matched_complete=matched_complete,
        )

    async def _try_complete(self, name: str, condition: Condition) -> bool:
        """Whether a multipart upload over an object that lies there fails on its condition."""
        checksum = self.bucket.checksum(_digest(_OTHER))
        algorithm = {"ChecksumAlgorithm": "SHA256"} if checksum else {}
        begun = await self.bucket.call("create_multipart_upload", name, **algorithm, **self.bucket.common)
        upload = {"UploadId": begun["UploadId"]}
        try:
            sent = await self.bucket.send("upload_part", name, _OTHER, PartNumber=1, **upload, **checksum)
            part = {"PartNumber": 1, "ETag": sent["ETag"]}
            if checksum:
                part["ChecksumSHA256"] = checksum["ChecksumSHA256"]
            parts = {"Parts": [part]}
            return await _has_failed(
                self.bucket.call(
                    "complete_multipart_upload", name, MultipartUpload=parts, **upload, **condition.headers
                )
            )
        finally:
            with suppress(StorageError):  # it was completed, and the condition ignored
                await self.bucket.call("abort_multipart_upload", name, **upload)

    async def _try_lock(self) -> None:
        """Lock an object for a minute, when objects are to be locked. Raises: StorageError when the bucket cannot."""
        if self.lock is None:
            return
        answer = await self.bucket.call("get_object_lock_configuration", None)
        can_lock = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        if can_lock:
            until = {"ObjectLockMode": self.lock, "ObjectLockRetainUntilDate": datetime.now(UTC) + _LOCKED_FOR}
            name = f"{self.names.probes}{uuid4()}.locked"
            await self.bucket.put(name, _BODY, _digest(_BODY), None, until)
            head = await self.bucket.head(name)
            can_lock = head is not None and head.headers.get("ObjectLockMode") == self.lock
        if not can_lock:
            raise StorageError(
                f"the bucket {self.names.bucket} cannot lock objects, and storage.s3.object_lock asks for it",
                fix="create a bucket with Object Lock, or remove object_lock and retain from [storage.s3]",
                key="storage.s3.object_lock",
            )

    async def _put(
        self, name: str, content: bytes, condition: Condition | None = None, digest: Digest | None = None
    ) -> None:
        answer = await self.bucket.put(name, content, digest or _digest(content), condition)
        self._made.append((name, answer.get("VersionId")))

    async def _clean(self) -> None:
        """Remove what was put, version by version where there are any and we may."""
        for name, version in reversed(self._made):
            try:
                await self.bucket.delete(name, version)
            except StorageUnavailable:
                raise
            except StorageError:
                if version is None:
                    raise
                await self.bucket.delete(name)

    def _name(self) -> str:
        return f"{self.names.probes}{uuid4()}"


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


async def _has_failed(request: Awaitable[object]) -> bool:
    """Whether a request failed on its condition. One that was carried out did not, nor one that was not understood."""
    try:
        await request
    except ConditionFailed:
        return True
    except StorageUnavailable:
        raise
    except StorageError:
        return False
    return False


async def _is_refused(request: Awaitable[object]) -> bool:
    """Whether the store refused bytes with a wrong checksum, in whatever words."""
    try:
        await request
    except Corrupted:
        return True
    except StorageUnavailable:
        raise
    except StorageError:
        return True
    return False
