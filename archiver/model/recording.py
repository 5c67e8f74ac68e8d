"""A recording: as a listing shows it, as the catalog keeps it, and which state may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType, TypeAlias
from uuid import UUID

from archiver.model.objects import Digest, StoredObject

RecordingId = NewType("RecordingId", str)
ListingName = NewType("ListingName", str)
LeaseId = NewType("LeaseId", UUID)
Document: TypeAlias = Mapping[str, object]
"""A decoded JSON object of a provider."""


class State(StrEnum):
    """Where a recording is on its way."""

    PENDING = "pending"
    STORED = "stored"
    VERIFIED = "verified"
    DAMAGED = "damaged"
    FAILED = "failed"
    GONE = "gone"
    EXCLUDED = "excluded"
    REMOTE_DELETED = "remote_deleted"


class Reason(StrEnum):
    """Why a pending recording waits."""

    NOT_READY = "not_ready"
    RETRY = "retry"


FOLLOWS: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.STORED, State.FAILED, State.GONE, State.EXCLUDED}),
    State.STORED: frozenset({State.VERIFIED, State.DAMAGED}),
    State.VERIFIED: frozenset({State.VERIFIED, State.STORED, State.DAMAGED, State.REMOTE_DELETED}),
    State.DAMAGED: frozenset({State.STORED, State.VERIFIED}),
    State.FAILED: frozenset({State.PENDING, State.EXCLUDED}),
    State.GONE: frozenset({State.PENDING}),
    State.EXCLUDED: frozenset({State.PENDING}),
    State.REMOTE_DELETED: frozenset({State.DAMAGED}),
}
"""Which states may follow each state. The catalog's own rules are held to this table by a test.

A verified recording becomes stored again only when it was suspect and sound bytes came for it.
"""


def may_follow(before: State, after: State) -> bool:
    """Whether a recording may go from one state to the other."""
    return after in FOLLOWS[before]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One recording as its listing shows it.

    ``started_at`` is the start of the call, aware and in UTC; ``expires_at`` when the provider will delete it.
    ``claimed_size`` is in bytes and ``claimed_format`` the provider's word: claims, no proof. ``is_ready`` is False
    while the provider says that the media is not there yet. ``document`` is the provider's own, secret-bearing values
    replaced, at the JSON pointers in ``redacted``; ``fingerprint`` is a digest of what in it changes only when the
    recording does.
    """

    recording_id: RecordingId
    listing: ListingName
    started_at: datetime | None
    duration: timedelta | None
    direction: str | None
    from_number: str | None
    to_number: str | None
    type: str | None
    claimed_format: str | None
    claimed_size: int | None
    expires_at: datetime | None
    document: Document
    redacted: tuple[str, ...]
    fingerprint: bytes
    is_ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A row of a listing that is no recording we understand: kept aside with its reason, and counted.

    ``fingerprint`` tells one malformed row from another; ``document`` is its redacted text, cut to 10,000 characters.
    """

    listing: ListingName
    reason: str
    document: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Due work, held under a lease: a recording to fetch (pending, damaged; a verified suspect once more) or to read
    back (stored).

    ``row`` is the catalog's number of the recording. ``attempts`` counts those before this one, over all passes;
    ``attempts_in_pass`` those of the pass that claimed it. ``kept`` is what the storage was last given for it,
    ``suspect`` why that may not be the call, ``verified_at`` when it was last read back and equal. ``refused`` is the
    digest of the doubtful body that every attempt of this pass brought so far; None when there was none, or they did
    not agree.
    """

    row: int
    lease: LeaseId
    state: State
    listed: Listed
    first_seen_at: datetime
    attempts: int
    attempts_in_pass: int
    kept: StoredObject | None
    suspect: str | None = None
    verified_at: datetime | None = None
    refused: Digest | None = None
