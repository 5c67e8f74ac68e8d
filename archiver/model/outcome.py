"""What became of a claim: the facts that the catalog writes, under the claim's lease."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from archiver.model.objects import Digest, StoredObject
from archiver.model.recording import Claim


@dataclass(frozen=True, slots=True)
class Stored:
    """The object is durable under its key. The lease goes on: reading back follows.

    ``suspect`` says why the bytes may not be the call; such a recording is fetched once more by the first later pass.
    """

    claim: Claim
    kept: StoredObject
    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """The object was read back, equal to its digest; ``method`` says how far the reading reached. Ends the lease."""

    claim: Claim
    method: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """The object read back is another, or none (``is_missing``). Ends the lease; the recording is due again after
    ``delay``."""

    claim: Claim
    error: str
    delay: timedelta
    is_missing: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed and is counted; the state stays. Ends the lease; due again after ``delay``.

    ``is_missing``: the provider said that the recording does not exist. Together with its absence from a complete
    full walk this makes a recording that was never stored ``gone``. ``refused`` is the digest of a doubtful body: the
    catalog remembers it for as long as every attempt of the pass brings the same one.
    """

    claim: Claim
    error: str
    delay: timedelta
    is_missing: bool = False
    refused: Digest | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The media is not there yet; no attempt is counted. Ends the lease; due again after ``delay``."""

    claim: Claim
    error: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Failed:
    """Permanent evidence against it, kept as ``error``. Ends the lease."""

    claim: Claim
    error: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A suspect was fetched once more and is kept for good; ``suspect`` says why it still may not be the call.

    Ends the lease; the recording rests.
    """

    claim: Claim
    suspect: str


@dataclass(frozen=True, slots=True)
class Released:
    """Given back untouched, because we stop or the account is paused. Ends the lease; due at once."""

    claim: Claim


Outcome: TypeAlias = Stored | Verified | Damaged | Retry | Wait | Failed | Confirmed | Released
