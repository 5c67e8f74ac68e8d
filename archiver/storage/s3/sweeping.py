"""Sweeping a bucket: what dead leases left in it and in the spool, and old probes."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from archiver.model.recording import LeaseId
from archiver.ports.storage import LivingLeases
from archiver.storage.files import explained
from archiver.storage.layout import lease_of
from archiver.storage.s3.answers import Unsupported
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.multipart import abort, read_marker, uploads_of
from archiver.storage.s3.names import Names

_LEFTOVER_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One sweep. ``is_locked``: probes may be versions that were locked when they were made.

    A probe is taken for a leftover when it is older than ``leftover_after``.
    """

    bucket: Bucket
    names: Names
    spool: Path
    is_locked: bool
    leftover_after: timedelta = _LEFTOVER_AFTER

    async def run(self, living: LivingLeases) -> int:
        """See the port; answers how many parts and uploads were removed."""
        parts = await asyncio.to_thread(self._list_parts)
        markers = await self._list_markers()
        found = frozenset(parts.values()) | frozenset(markers.values())
        dead = found - await living(found) if found else found
        count = await asyncio.to_thread(_remove, [path for path, lease in parts.items() if lease in dead])
        for marker in [name for name, lease in markers.items() if lease in dead]:
            count += await self._sweep_upload(marker, dead)
        await self._sweep_probes()
        return count

    async def _list_markers(self) -> Mapping[str, LeaseId]:
        named = [(entry.name, self.names.lease_of(entry.name)) for entry in await self.bucket.entries(self.names.parts)]
        return {name: lease for name, lease in named if lease is not None}

    async def _sweep_upload(self, name: str, dead: Collection[LeaseId]) -> int:
        """Abort what a marker of a dead lease names, then delete it."""
        marker = await read_marker(self.bucket, name)
        count = 0
        if marker is not None and marker.upload is not None:
            count = await abort(self.bucket, marker.name, [marker.upload])
        elif marker is not None:
            uploads = await self._unclaimed(marker.name, dead)
            if uploads is None:
                return 0
            count = await abort(self.bucket, marker.name, list(uploads))
        await self.bucket.delete(name)
        return count

    async def _unclaimed(self, name: str, dead: Collection[LeaseId]) -> Collection[str] | None:
        """The uploads of an object that no living marker names; None while one may name any. See ``multipart``."""
        uploads = set(await uploads_of(self.bucket, name))
        if not uploads:
            return ()
        for other, lease in (await self._list_markers()).items():
            claim = await read_marker(self.bucket, other) if lease not in dead else None
            if claim is not None and claim.name == name:
                if claim.upload is None:
                    return None
                uploads.discard(claim.upload)
        return uploads

    async def _sweep_probes(self) -> None:
        """Remove the probes that somebody left behind, and abort their uploads."""
        before = datetime.now(UTC) - self.leftover_after
        for entry in await self.bucket.entries(self.names.probes, with_versions=self.is_locked):
            if entry.modified_at < before:
                await self.bucket.delete(entry.name, entry.version)
        with suppress(Unsupported):
            for upload in await self.bucket.uploads(self.names.probes):
                if upload.modified_at < before and upload.version:
                    await abort(self.bucket, upload.name, [upload.version])

    def _list_parts(self) -> Mapping[Path, LeaseId]:
        with explained(f"list {self.spool}"):
            named = ((path, lease_of(path)) for path in self.spool.iterdir())
            return {path: lease for path, lease in named if lease is not None}


def _remove(parts: Collection[Path]) -> int:
    count = 0
    with explained("sweep the spool"):
        for part in parts:
            try:
                part.unlink()
            except FileNotFoundError:  # another sweep was faster
                continue
            count += 1
    return count
