"""A storage in memory, for tests of what uses one. It passes the suite of all storages."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from archiver.model.errors import KeyTaken, StorageError
from archiver.model.objects import Body, Digest, Key, sidecar_key
from archiver.model.recording import LeaseId
from archiver.ports.storage import LivingLeases, Publication, Reading

_CHUNK_BYTES = 1 << 20


class FakeStorage:
    """Objects in a dictionary.

    ``objects`` may be changed to damage them; ``damaged`` holds what had to leave its key or could not take it;
    ``published`` counts calls that succeeded. While ``trouble`` is set, every method raises it.
    """

    def __init__(self, spool: Path) -> None:
        self.objects: dict[Key, bytes] = {}
        self.damaged: dict[Key, list[bytes]] = {}
        self.published = 0
        self.trouble: StorageError | None = None
        self._spool = spool

    @property
    def url(self) -> str:
        """A scheme of its own."""
        return "memory:"

    @property
    def spool(self) -> Path:
        """The folder that it was given."""
        return self._spool

    async def admit(self) -> None:
        """Admit, unless there is trouble."""
        await self._turn()

    async def probe(self) -> Sequence[str]:
        """Lack nothing, unless there is trouble."""
        await self._turn()
        return ()

    async def publish(self, publication: Publication) -> None:
        """Publish at once: nothing else runs between the look and the last step."""
        await self._turn()
        key, content = publication.key, _consume(publication.body, self.objects.get(publication.key))
        found = self.objects.get(key)
        if found is not None and found != content:
            if publication.replaces is None:
                self.damaged.setdefault(key, []).append(content)
                raise KeyTaken(f"{key} is taken: {_digest(found).hex()} lies there, not {_digest(content).hex()}")
            self.damaged.setdefault(key, []).append(found)
            del self.objects[key]
        self._place(publication, content)
        self.published += 1

    def _place(self, publication: Publication, content: bytes) -> None:
        sidecar = sidecar_key(publication.key)
        if publication.key not in self.objects:
            self.objects.pop(sidecar, None)
        if publication.sidecar is not None:
            self.objects.setdefault(sidecar, publication.sidecar)
        self.objects[publication.key] = content

    async def read_back(self, key: Key) -> Reading:
        """Hash what lies in memory."""
        await self._turn()
        content = self.objects.get(key)
        if content is None:
            return Reading(digest=None, size_bytes=0, method="absent")
        return Reading(digest=_digest(content), size_bytes=len(content), method="memory")

    @asynccontextmanager
    async def open(self, key: Key) -> AsyncIterator[AsyncIterator[bytes]]:
        """The object in chunks of 1 MiB."""
        await self._turn()
        if key not in self.objects:
            raise StorageError(f"there is no {key}")
        yield _chunks(self.objects[key])

    async def sweep(self, living: LivingLeases) -> int:
        """Sweep the spool folder."""
        await self._turn()
        parts = {path: _lease(path) for path in self._spool.glob("*.part")}
        found = frozenset(parts.values())
        dead = found - await living(found)
        removable = [path for path, lease in parts.items() if lease in dead and path.exists()]
        for path in removable:
            path.unlink()
        return len(removable)

    async def _turn(self) -> None:
        await asyncio.sleep(0)  # others run in between, as they do with a real storage
        if self.trouble is not None:
            raise self.trouble


def _consume(body: Body, found: bytes | None) -> bytes:
    if isinstance(body.content, bytes):
        return body.content
    if found is not None and _digest(found) == body.digest:
        body.content.unlink(missing_ok=True)
        return found
    try:
        content = body.content.read_bytes()
    except FileNotFoundError as error:
        raise StorageError(f"there is no {body.content}") from error
    body.content.unlink()
    return content


def _lease(part: Path) -> LeaseId:
    return LeaseId(UUID(part.name.partition(".")[0]))


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]
