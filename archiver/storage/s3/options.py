"""What the operator says about a bucket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from archiver.model.secret import Secret

MULTIPART_ABOVE_BYTES: Final = 64 * 2**20
PART_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """How a bucket is reached, what its objects get, and where bodies wait for it.

    ``spool`` is a folder of this machine that may hold ``spool_size`` bytes. ``connect_timeout`` covers TCP and TLS;
    ``idle_timeout`` is the longest time without a byte in either direction. ``concurrency`` is how many recordings are
    carried at once. Bodies above ``multipart_above`` bytes go up in parts of ``part_size`` bytes or more, 5 MiB at
    least.
    """

    spool: Path
    spool_size: int
    endpoint: str | None = None
    region: str | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    profile: str | None = None
    path_style: bool = False
    allow_http: bool = False
    ca_file: Path | None = None
    storage_class: str | None = None
    sse: str | None = None
    kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    object_lock: str | None = None
    retain: timedelta | None = None
    verify: Literal["read", "checksum"] = "read"
    connect_timeout: timedelta = timedelta(seconds=10)
    idle_timeout: timedelta = timedelta(seconds=60)
    concurrency: int = 32
    multipart_above: int = MULTIPART_ABOVE_BYTES
    part_size: int = PART_BYTES
