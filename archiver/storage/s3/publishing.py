"""Publishing into a bucket: the order of the puts, and what each leaves when it is the last.

1. the sidecar is put where nothing lies;
2. the audio is put where nothing lies, in one atomic put, or as a multipart upload that is completed at once.

A crash between them leaves a sidecar without audio, which the repeat finds equal, or replaces; a crash after 2 leaves
the finished pair, which the repeat adopts. What lies under the key already is read and hashed: the same bytes are
adopted, others are left alone, and ours go to ``.archiver/damaged/``.

Bytes that must leave their key are copied there with their sidecar, the copy is read back, and then the new pair
replaces the old one: first the sidecar, then the audio, each on the condition that it is the object that was looked
at. Nothing is deleted in between: a delete has no such condition at most stores, and a writer that slept over its lease
would delete what another has put there since. A crash leaves the copy, which the repeat finds and does not double.

Within one process a key is published by one task at a time. Between processes the leases keep writers apart; one that
has lost its lease fails on the conditions. Two that put different bytes at the same moment could mix up their sidecars:
whoever replaced a sidecar and then lost the audio's put puts the other one back.
"""

import asyncio
import errno
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from archiver.model.errors import KeyTaken, StorageError, StorageUnavailable
from archiver.model.objects import Body, Digest, Key
from archiver.ports.storage import Publication
from archiver.storage.files import explained
from archiver.storage.s3.answers import Absent, ConditionFailed
from archiver.storage.s3.bodies import opened
from archiver.storage.s3.bucket import NEW, Bucket, Condition, Document, Found
from archiver.storage.s3.multipart import Target, Uploads
from archiver.storage.s3.names import Names, sidecar_of
from archiver.storage.s3.options import S3Options

_MOST_ASIDE: Final = 20
_BINARY: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Back:
    """A sidecar that was replaced, and what must lie there when it is put back."""

    document: bytes
    condition: Condition


class Publisher:
    """Carries publications out."""

    def __init__(self, bucket: Bucket, names: Names, options: S3Options) -> None:
        self._bucket = bucket
        self._names = names
        self._options = options
        self._uploads = Uploads(bucket, names, options.part_size)
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def publish(self, publication: Publication) -> None:
        """Carry one publication out; see the port. A body in a file stays after a failure: the repeat needs it."""
        name = self._names.object(publication.key)
        lock = self._locks.setdefault(publication.key, asyncio.Lock())
        async with lock:
            with explained(f"publish {publication.key}"):
                try:
                    await self._publish(publication, name)
                except KeyTaken:
                    await asyncio.to_thread(_consume, publication.body)
                    raise
                except ConditionFailed as error:
                    raise StorageUnavailable(f"{error}; it changed while {publication.key} was published") from error
                await asyncio.to_thread(_consume, publication.body)

    async def _publish(self, publication: Publication, name: str) -> None:
        is_here = await asyncio.to_thread(_is_here, publication.body)
        looks_first = publication.replaces is not None or self._is_large(publication.body) or not is_here
        found = await self._bucket.look(name) if looks_first else None
        if found is None:
            if not is_here:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(publication.body.content))
            found = await self._place(publication, name)
        if found is not None:
            await self._meet(publication, name, found)

    async def _place(self, publication: Publication, name: str) -> Found | None:
        """Put a pair where nothing is known to lie; answers the audio that lies there after all."""
        leftover = await self._place_sidecar(publication.sidecar, name)
        if leftover is not None and (found := await self._bucket.look(name)):
            return found
        back = await self._replace_sidecar(publication.sidecar, name, leftover)
        try:
            await self._put(publication, name, NEW)
        except ConditionFailed:
            found = await self._bucket.look(name)
            if found is None:
                raise
            if back is not None and found.digest != publication.body.digest:
                await self._put_back(name, back)
            return found
        return None

    async def _meet(self, publication: Publication, name: str, found: Found) -> None:
        """Go on where audio lies already. Raises: KeyTaken."""
        if found.digest == publication.body.digest:
            if publication.sidecar is not None:
                with suppress(ConditionFailed):
                    await self._put_sidecar(publication.sidecar, name, NEW)
        elif publication.replaces is not None or found.claimed == publication.body.digest:
            # What claims to be these bytes and is not was put by an earlier try, and damaged on its way
            await self._copy_aside(publication.key, name, found)
            await self._replace(publication, name, found)
        else:
            await self._refuse(publication, found)

    async def _replace(self, publication: Publication, name: str, found: Found) -> None:
        """Put a pair over one whose audio was looked at: the audio is the same still once the sidecar was read."""
        old = await self._place_sidecar(publication.sidecar, name)
        head = await self._bucket.head(name)
        if head is None or head.etag != found.etag:
            raise ConditionFailed(f"{self._bucket.at(name)} is not what it was")
        back = await self._replace_sidecar(publication.sidecar, name, old)
        try:
            await self._put(publication, name, Condition(found.etag))
        except ConditionFailed:
            if back is not None:
                await self._put_back(name, back)
            raise

    async def _copy_aside(self, key: Key, name: str, found: Found) -> None:
        """Copy a pair to ``damaged/``, to the first free name; bytes that lie there are not doubled."""
        target, is_there = await self._free_name(self._names.aside(key, found.digest), found.digest)
        if is_there:
            return
        headers = self._headers(name, is_audio=True)
        for copied in ("ContentType", "Tagging"):  # with the object
            headers.pop(copied, None)
        with suppress(Absent):
            await self._bucket.copy(sidecar_of(name), sidecar_of(target))
        await self._bucket.copy(name, target, headers)
        copy = await self._bucket.look(target)
        if copy is None or copy.digest != found.digest:
            raise StorageUnavailable(f"{self._bucket.at(target)} is no faithful copy of {self._bucket.at(name)}")

    async def _refuse(self, publication: Publication, found: Found) -> None:
        key, digest = publication.key, publication.body.digest
        target, is_there = await self._free_name(self._names.aside_new(key, digest), digest)
        if not is_there:
            if publication.sidecar is not None:
                await self._put_sidecar(publication.sidecar, target, None)
            await self._put(publication, target, NEW)
        raise KeyTaken(
            f"{key} is taken: {found.digest.hex()} lies there, so the new {digest.hex()} went to "
            f"{self._bucket.at(target)}",
            fix="compare the two; if the new bytes are right, move the old ones away and retry the recording",
        )

    async def _free_name(self, wanted: str, digest: Digest) -> tuple[str, bool]:
        """The first name like ``wanted`` where nothing lies, or these bytes do (True)."""
        for number in range(1, _MOST_ASIDE + 1):
            name = wanted if number == 1 else f"{wanted}~{number}"
            found = await self._bucket.look(name)
            if found is None or found.digest == digest:
                return name, found is not None
        raise StorageError(f"{self._bucket.at(wanted)} and all names like it are taken by other bytes")

    async def _place_sidecar(self, document: bytes | None, name: str) -> Document | None:
        """Put the sidecar, if one is wanted, where none lies; answers another one that does."""
        if document is None:
            return await self._bucket.read(sidecar_of(name))
        try:
            await self._put_sidecar(document, name, NEW)
        except ConditionFailed:
            found = await self._bucket.read(sidecar_of(name))
            if found is None:
                raise
            return found if found.content != document else None
        return None

    async def _replace_sidecar(self, document: bytes | None, name: str, old: Document | None) -> _Back | None:
        """Put the sidecar over another, if there is one, or delete that; answers how to undo it."""
        if old is None:
            return None
        if document is None:
            await self._bucket.delete(sidecar_of(name))
            return _Back(old.content, NEW)
        return _Back(old.content, Condition(await self._put_sidecar(document, name, Condition(old.etag))))

    async def _put_back(self, name: str, back: _Back) -> None:
        """Put back a sidecar that we replaced, as far as it is still ours that lies there."""
        with suppress(ConditionFailed):
            await self._put_sidecar(back.document, name, back.condition)

    async def _put_sidecar(self, document: bytes, name: str, condition: Condition | None) -> str:
        """Put a sidecar; answers its ETag."""
        sidecar, digest = sidecar_of(name), Digest(hashlib.sha256(document).digest())
        headers = self._headers(sidecar, is_audio=False)
        answer = await self._bucket.put(sidecar, document, digest, condition, headers)
        await self._confirm(sidecar, digest, condition, is_large=False)
        return str(answer["ETag"])

    async def _put(self, publication: Publication, name: str, condition: Condition) -> None:
        """Put the audio, in one go or in parts."""
        body, headers = publication.body, self._headers(name, is_audio=True)
        if self._is_large(body):
            target = Target(name=name, lease=publication.lease, condition=condition, headers=headers)
            await self._uploads.put(body, target)
        else:
            with opened(body.content, 0, body.size_bytes) as content:
                await self._bucket.put(name, content, body.digest, condition, headers)
        await self._confirm(name, body.digest, condition, is_large=self._is_large(body))

    async def _confirm(self, name: str, digest: Digest, condition: Condition | None, *, is_large: bool) -> None:
        """Read back what was put, at a store that does not answer for it."""
        abilities, is_new = self._bucket.abilities, condition == NEW
        if abilities.checks and (condition is None or abilities.holds(is_new=is_new, is_large=is_large)):
            return
        found = await self._bucket.look(name)
        if found is None or found.digest != digest:
            raise StorageUnavailable(f"{self._bucket.at(name)} is not what was put there a moment ago")

    def _is_large(self, body: Body) -> bool:
        return body.size_bytes > self._options.multipart_above

    def _headers(self, name: str, *, is_audio: bool) -> dict[str, Any]:
        """What published objects get. A class of storage is for audio: for a small document most cost more."""
        options = self._options
        headers: dict[str, Any] = {"ContentType": guess_type(name)[0] or _BINARY}
        if options.storage_class and is_audio:
            headers["StorageClass"] = options.storage_class
        if options.tags:
            headers["Tagging"] = urlencode(options.tags)
        if options.object_lock and options.retain:
            headers["ObjectLockMode"] = options.object_lock
            headers["ObjectLockRetainUntilDate"] = datetime.now(UTC) + options.retain
        return headers


def _is_here(body: Body) -> bool:
    """Whether the body can be read. Raises: StorageError when its file has another length."""
    if isinstance(body.content, bytes):
        return True
    try:
        found = body.content.stat().st_size
    except FileNotFoundError:  # a repeat whose first try consumed it: the object will be adopted
        return False
    if found != body.size_bytes:
        raise StorageError(f"{body.content} has {found} bytes instead of {body.size_bytes}")
    return True


def _consume(body: Body) -> None:
    if isinstance(body.content, Path):
        body.content.unlink(missing_ok=True)
