"""What the pipeline asks of a storage. All methods may be called concurrently and from several processes.

Every method raises ``StorageError`` when the storage cannot be used, with the cause and the path or key in the message;
``StorageUnavailable`` when that may pass and the call is worth repeating.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from archiver.model.objects import Body, Digest, Key
from archiver.model.recording import LeaseId

LivingLeases: TypeAlias = Callable[[frozenset[LeaseId]], Awaitable[frozenset[LeaseId]]]
"""Tells which of these leases are still held by somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read back. ``digest`` is None when there is no object; ``method`` says how far the reading reached."""

    digest: Digest | None
    size_bytes: int
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What to publish: the audio's ``body`` and its ``sidecar`` document (None: no sidecar is wanted) under ``key``.

    ``lease`` names the parts that are written on the way. ``replaces`` is the digest of an object that was found
    damaged: whatever other bytes lie under the key move aside, with their sidecar, before the new ones take it.
    """

    key: Key
    body: Body
    sidecar: bytes | None
    lease: LeaseId
    replaces: Digest | None = None


class Storage(Protocol):
    """A place where objects lie under keys, complete or absent."""

    @property
    def url(self) -> str:
        """Where it is, as the configuration names it, without secrets."""

    @property
    def spool(self) -> Path:
        """The local folder for bodies that are too large for memory, as ``LEASE.part``; swept with the other parts."""

    async def admit(self) -> None:
        """Return when new work may start, at the latest when bodies on their way have left room for more.

        Cheap: asked before every claim; a storage elsewhere is not asked, unless it has just been in trouble.

        Raises: StorageError when the storage is gone, cannot be written, or has too little room left.
        """

    async def probe(self) -> Sequence[str]:
        """Write, read back and remove a small object under ``.archiver/probe``: trouble shows before any work.

        Called once before anything else that writes; it makes the storage's own folders. Answers what the storage
        lacks and how that is made up for, each in a sentence for the operator.
        """

    async def publish(self, publication: Publication) -> None:
        """Make the body durable under its key, the sidecar before it. When this returns, both survive a power cut.

        Nothing is ever replaced: an object with the same digest is adopted, whoever put it there. A sidecar without
        its audio is a leftover and is replaced. A body that lies in a file is consumed: its file is gone afterwards.
        May be repeated.

        Raises: KeyTaken when other bytes lie under the key (and are not what ``replaces`` names).
        """

    async def read_back(self, key: Key) -> Reading:
        """Read an object from the medium, past caches as far as the platform allows, and hash it.

        A storage that checked the SHA-256 of all of an object may be asked for that instead, where the operator chose
        so; the reading's method tells.
        """

    def open(self, key: Key) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of an object, in chunks. Raises: StorageError when there is none."""

    async def sweep(self, living: LivingLeases) -> int:
        """Remove the parts whose leases are not living any more, leave the others; answers how many were removed.

        ``living`` is asked once with all leases that have parts here. May be repeated, also by several at once.
        """
