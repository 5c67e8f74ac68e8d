"""Where things lie in a directory that is a storage: objects under their keys, and ours under ``.archiver/``."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from archiver.model.errors import StorageError
from archiver.model.objects import PRIVATE_FOLDER, Digest, Key
from archiver.model.recording import LeaseId

_PART = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.json)?\.part")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below a storage's root."""

    root: Path

    @property
    def parts(self) -> Path:
        """Bodies and sidecars on their way, named with their lease, and the locks of keys that are being written."""
        return self.root / PRIVATE_FOLDER / "parts"

    @property
    def damaged(self) -> Path:
        """What had to leave its key, or could not take it."""
        return self.root / PRIVATE_FOLDER / "damaged"

    @property
    def probe(self) -> Path:
        """Small objects that show whether the storage works."""
        return self.root / PRIVATE_FOLDER / "probe"

    def audio_part(self, lease: LeaseId) -> Path:
        """The part of a body."""
        return self.parts / f"{lease}.part"

    def sidecar_part(self, lease: LeaseId) -> Path:
        """The part of a sidecar."""
        return self.parts / f"{lease}.json.part"

    def lock(self, key: Key) -> Path:
        """The file whose lock a writer of this key holds."""
        return self.parts / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock"

    def object(self, key: Key) -> Path:
        """The path of a key.

        Keys are made safe where they are made; what could still leave the root, or enter ``.archiver``, is refused.

        Raises: StorageError for an absolute key, an empty part, a part with a leading dot, or a NUL.
        """
        if "\0" in key or any(not part or part.startswith(".") for part in key.split("/")):
            raise StorageError(
                f"the key {key!r} is refused: it has an empty part, a leading dot or a NUL",
                fix="check storage.key",
                key="storage.key",
            )
        return self.root / key

    def aside(self, key: Key, digest: Digest) -> Path:
        """Where bytes go that must leave their key. Unreadable bytes have the empty digest."""
        return self.damaged / f"{key}~{digest.hex()[:12] or 'unreadable'}"

    def aside_new(self, key: Key, digest: Digest) -> Path:
        """Where bytes go that found their key taken."""
        return self.damaged / f"{key}~new-{digest.hex()[:8]}"


def lease_of(part: Path) -> LeaseId | None:
    """The lease that a part is named with; None for what is no part of ours."""
    match = _PART.fullmatch(part.name)
    return LeaseId(UUID(match[1])) if match else None
