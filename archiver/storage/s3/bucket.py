"""The requests that we make of a bucket, each once, with the answers as ours and the refusals as our errors.

What the store cannot do is replaced here in the safe way that there is: a condition becomes a look before.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from archiver.model.errors import ConfigError, StorageError, StorageUnavailable
from archiver.model.objects import Digest
from archiver.storage.s3.abilities import Abilities
from archiver.storage.s3.answers import (
    Absent,
    ConditionFailed,
    Corrupted,
    Unsupported,
    UploadLost,
    translated,
)
from archiver.storage.s3.bodies import Content, Slice

if TYPE_CHECKING:
    from aiobotocore.response import StreamingBody
    from types_aiobotocore_s3 import S3Client

_CHUNK_BYTES: Final = 1 << 20
_MOST_READ_BYTES: Final = 16 << 20
_CLAIM: Final = "sha256"
"""The metadata that holds our digest of the whole object, in hex."""

Headers: TypeAlias = Mapping[str, Any]
NONE: Final[Headers] = {}


@dataclass(frozen=True, slots=True)
class Condition:
    """What an object must be for a request to be carried out: absent (``match`` None), or the one with this ETag."""

    match: str | None

    @property
    def headers(self) -> Headers:
        """As the client takes it."""
        return {"IfNoneMatch": "*"} if self.match is None else {"IfMatch": self.match}


NEW: Final = Condition(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the store says about an object; ``checksum`` is the SHA-256 of all of it, where it keeps one."""

    etag: str
    size_bytes: int
    checksum: Digest | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object as it was read. ``claimed`` is what its metadata says of its digest."""

    digest: Digest
    size_bytes: int
    etag: str
    claimed: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small object: all of it."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An object in a listing."""

    name: str
    version: str | None
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An object that is being read: its chunks have 1 MiB at most, and are read once."""

    etag: str
    claimed: Digest | None
    chunks: AsyncIterator[bytes]


@dataclass(slots=True, kw_only=True)
class Bucket:
    """One bucket. ``abilities`` are set by the probe; until then nothing is relied on.

    ``idle_s`` is how long a body may stand still. ``common`` are headers of everything that is written. ``trouble`` is
    the error of the latest request, if the store refused it or did not answer.
    """

    client: "S3Client"
    name: str
    idle_s: float
    common: Headers = field(default_factory=dict)
    abilities: Abilities = field(default_factory=Abilities)
    trouble: StorageError | ConfigError | None = None

    async def put(
        self, name: str, content: Content, digest: Digest, condition: Condition | None, headers: Headers = NONE
    ) -> Mapping[str, Any]:
        """Put an object of known length and digest; answers what the store said. Raises: ConditionFailed, Corrupted."""
        conditional = await self.conditional(name, condition, is_large=False)
        parameters = {**conditional, **self.checksum(digest), **self.common, **headers}
        answer = await self.send("put_object", name, content, Metadata=claim(digest), **parameters)
        if not answer.get("ETag"):
            raise StorageUnavailable(f"{self.at(name)} was answered without an ETag: this is no S3 that answers")
        return answer

    async def head(self, name: str) -> Head | None:
        """What the store knows of an object; None when there is none."""
        try:
            answer = await self.call("head_object", name, ChecksumMode="ENABLED")
        except Absent:
            return None
        return Head(
            etag=answer.get("ETag", ""),
            size_bytes=answer.get("ContentLength", 0),
            checksum=_checksum_of_all(answer),
            headers=answer,
        )

    @asynccontextmanager
    async def get(self, name: str) -> AsyncIterator[Opened]:
        """Read an object. Raises: Absent."""
        answer = await self.call("get_object", name)
        body = answer["Body"]
        try:
            if not answer.get("ETag"):
                raise StorageUnavailable(f"{self.at(name)} was answered without an ETag: what came is no object")
            claimed = _from_hex(answer.get("Metadata", {}).get(_CLAIM, ""))
            yield Opened(etag=answer["ETag"], claimed=claimed, chunks=self._chunks(name, body))
        finally:
            body.close()

    async def look(self, name: str) -> Found | None:
        """Read an object to the end and hash it; None when there is none."""
        sha256, size_bytes = hashlib.sha256(), 0
        try:
            async with self.get(name) as opened:
                async for chunk in opened.chunks:
                    sha256.update(chunk)
                    size_bytes += len(chunk)
        except Absent:
            return None
        digest = Digest(sha256.digest())
        return Found(digest=digest, size_bytes=size_bytes, etag=opened.etag, claimed=opened.claimed)

    async def read(self, name: str) -> Document | None:
        """A small object as a whole; None when there is none. Raises: StorageError when it is large."""
        content = bytearray()
        try:
            async with self.get(name) as opened:
                async for chunk in opened.chunks:
                    content += chunk
                    if len(content) > _MOST_READ_BYTES:
                        raise StorageError(f"{self.at(name)} is no document of ours: it is too large")
        except Absent:
            return None
        return Document(content=bytes(content), etag=opened.etag)

    async def copy(self, source: str, target: str, headers: Headers = NONE) -> None:
        """Copy inside the store. Raises: Absent."""
        origin = {"Bucket": self.name, "Key": source}
        await self.call("copy_object", target, CopySource=origin, **{**self.common, **headers})

    async def delete(self, name: str, version: str | None = None) -> None:
        """Delete an object, or one version of it; one that is absent already is no error."""
        with suppress(Absent):
            await self.call("delete_object", name, **({"VersionId": version} if version else {}))

    async def entries(self, prefix: str, *, with_versions: bool = False) -> Sequence[Entry]:
        """What lies below a prefix; every version of it on demand."""
        operation = "list_object_versions" if with_versions else "list_objects_v2"
        return [
            Entry(name=one["Key"], version=one.get("VersionId"), modified_at=one["LastModified"])
            async for page in self._pages(operation, prefix)
            for key in ("Contents", "Versions", "DeleteMarkers")
            for one in page.get(key, ())
        ]

    async def uploads(self, prefix: str) -> Sequence[Entry]:
        """The multipart uploads below a prefix that were neither completed nor aborted; their ids are the versions."""
        return [
            Entry(name=one["Key"], version=one["UploadId"], modified_at=one["Initiated"])
            async for page in self._pages("list_multipart_uploads", prefix)
            for one in page.get("Uploads", ())
        ]

    async def conditional(self, name: str, condition: Condition | None, *, is_large: bool) -> Headers:
        """The headers of a condition; for a store that would ignore them, a look. Raises: ConditionFailed."""
        if condition is None:
            return NONE
        if self.abilities.holds(is_new=condition == NEW, is_large=is_large):
            return condition.headers
        head = await self.head(name)
        if (head.etag if head else None) != condition.match:
            raise ConditionFailed(f"{self.at(name)} is not what it was")
        return NONE

    def checksum(self, digest: Digest) -> Headers:
        """The headers that let the store compare what it gets."""
        if not self.abilities.takes_checksums:
            return NONE
        return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": base64.b64encode(digest).decode("ascii")}

    async def send(self, operation: str, name: str, content: Content, **parameters: Any) -> Mapping[str, Any]:
        """One request with a body, given up when nothing of it moved for ``idle_s`` seconds."""
        length = len(content) if isinstance(content, bytes) else content.size_bytes
        try:
            async with asyncio.timeout(self.idle_s) as limit:
                if isinstance(content, Slice):
                    content.on_read = partial(_postpone, asyncio.get_running_loop(), limit, self.idle_s)
                return await self.call(operation, name, Body=content, ContentLength=length, **parameters)
        except TimeoutError:
            self.trouble = StorageUnavailable(f"{self.at(name)} took no byte for {self.idle_s:g} s")
            raise self.trouble from None
        except StorageError:
            if isinstance(content, Slice) and content.trouble is not None:
                raise content.trouble from None
            raise

    async def call(self, operation: str, name: str | None, **parameters: Any) -> Mapping[str, Any]:
        """One request, and what the store answered. Raises: StorageError, ConfigError."""
        key = {} if name is None else {"Key": name}
        with self._asking(operation, name):
            answer: Mapping[str, Any] = await getattr(self.client, operation)(Bucket=self.name, **key, **parameters)
            return answer

    async def require(self, prefix: str) -> None:
        """See that the bucket is there and answers, by the smallest request whose refusal says why not."""
        await self.call("list_objects_v2", None, Prefix=prefix, MaxKeys=1)

    def at(self, name: str | None) -> str:
        """An object, or the bucket, as messages call it."""
        return f"s3://{self.name}/{name or ''}".rstrip("/")

    async def _pages(self, operation: str, prefix: str) -> AsyncIterator[Mapping[str, Any]]:
        paginator = self.client.get_paginator(operation)  # type: ignore[call-overload]
        pages = aiter(paginator.paginate(Bucket=self.name, Prefix=prefix))
        while True:
            with self._asking(operation, prefix):
                page = await anext(pages, None)
            if page is None:
                return
            yield page

    async def _chunks(self, name: str, body: "StreamingBody") -> AsyncIterator[bytes]:
        while True:
            with self._asking("get_object", name):
                chunk = await body.read(_CHUNK_BYTES)
            if not chunk:
                return
            yield chunk

    @contextmanager
    def _asking(self, operation: str, name: str | None) -> Iterator[None]:
        try:
            with translated(operation, self.at(name)):
                yield
        except (Absent, ConditionFailed, Corrupted, Unsupported, UploadLost):
            self.trouble = None  # an answer, after all
            raise
        except (StorageError, ConfigError) as error:
            self.trouble = error
            raise
        self.trouble = None


def claim(digest: Digest) -> Mapping[str, str]:
    """The metadata that says what the whole object's digest is."""
    return {_CLAIM: digest.hex()}


def _postpone(loop: asyncio.AbstractEventLoop, limit: asyncio.Timeout, seconds: float) -> None:
    """Something moved, in a thread of the client's: begin to wait anew."""

    def reschedule() -> None:
        with suppress(RuntimeError):  # the request is over
            limit.reschedule(loop.time() + seconds)

    with suppress(RuntimeError):  # so is the loop
        loop.call_soon_threadsafe(reschedule)


def _checksum_of_all(answer: Mapping[str, Any]) -> Digest | None:
    """The SHA-256 of the whole object. One of its parts' checksums ends in their count, or says ``COMPOSITE``."""
    text, kind = answer.get("ChecksumSHA256", ""), answer.get("ChecksumType", "FULL_OBJECT")
    if not text or "-" in text or kind != "FULL_OBJECT" or "-" in answer.get("ETag", ""):
        return None
    return Digest(base64.b64decode(text))


def _from_hex(text: str) -> Digest | None:
    try:
        return Digest(bytes.fromhex(text)) or None
    except ValueError:
        return None
