"""What became of a claim: the facts that the catalog writes, under the claim's lease."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from archiver.model.objects import StoredObject
from archiver.model.recording import Claim


@dataclass(frozen=True, slots=True)
class Stored:
    """The object is durable under its key. The lease goes on: reading back follows."""

    claim: Claim
    kept: StoredObject


@dataclass(frozen=True, slots=True)
class Verified:
    """The object was read back, equal to its digest; ``method`` says how far the reading reached. Ends the lease."""

    claim: Claim
    method: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """The object read back is another, or none. Ends the lease; the recording is due again after ``delay``."""

    claim: Claim
    error: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed and is counted; the state stays. Ends the lease; due again after ``delay``.

    ``is_missing``: the provider said that the recording does not exist. Together with its absence from a complete
    full walk this makes a recording that was never stored ``gone``.
    """

    claim: Claim
    error: str
    delay: timedelta
    is_missing: bool = False


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
class Released:
    """Given back untouched, because we stop or the account is paused. Ends the lease; due at once."""

    claim: Claim


Outcome: TypeAlias = Stored | Verified | Damaged | Retry | Wait | Failed | Released
