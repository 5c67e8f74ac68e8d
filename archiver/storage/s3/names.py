"""What objects are called in a bucket: everything lies under the prefix, and ours under ``.archiver/`` in it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from archiver.model.errors import StorageError
from archiver.model.objects import PRIVATE_FOLDER, SIDECAR_SUFFIX, Digest, Key
from archiver.model.recording import LeaseId

_SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Names:
    """The names below a prefix, which has no slash at its ends and may be empty."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return f"{_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def parts(self) -> str:
        """What the markers of multipart uploads begin with."""
        return self._below(f"{PRIVATE_FOLDER}/parts/")

    @property
    def probes(self) -> str:
        """What small objects begin with that show whether the bucket works."""
        return self._below(f"{PRIVATE_FOLDER}/probe/")

    def object(self, key: Key) -> str:
        """The name of a key. Raises: StorageError for a key that could leave the prefix or enter ``.archiver``."""
        if "\0" in key or any(not part or part.startswith(".") for part in key.split("/")):
            raise StorageError(
                f"the key {key!r} is refused: it has an empty part, a leading dot or a NUL",
                fix="check storage.key",
                key="storage.key",
            )
        return self._below(key)

    def marker(self, lease: LeaseId) -> str:
        """Where the multipart upload of a lease is written down."""
        return f"{self.parts}{lease}.json"

    def lease_of(self, marker: str) -> LeaseId | None:
        """The lease that a marker is named with; None for what is no marker of ours."""
        text = marker.removeprefix(self.parts).removesuffix(".json")
        try:
            lease = LeaseId(UUID(text))
        except ValueError:
            return None
        return lease if self.marker(lease) == marker else None

    def aside(self, key: Key, digest: Digest) -> str:
        """Where bytes go that must leave their key."""
        return self._below(f"{PRIVATE_FOLDER}/damaged/{key}~{digest.hex()[:12]}")

    def aside_new(self, key: Key, digest: Digest) -> str:
        """Where bytes go that found their key taken."""
        return self._below(f"{PRIVATE_FOLDER}/damaged/{key}~new-{digest.hex()[:8]}")

    def _below(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def split_url(url: str) -> Names:
    """The names behind ``s3://bucket/prefix``. Raises: ValueError when no bucket is named."""
    bucket, _, prefix = url.removeprefix(_SCHEME).partition("/")
    if not url.startswith(_SCHEME) or not bucket:
        raise ValueError("names no bucket")
    return Names(bucket, prefix.strip("/"))


def sidecar_of(name: str) -> str:
    """The name of the sidecar beside an object."""
    return name + SIDECAR_SUFFIX
