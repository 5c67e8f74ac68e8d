"""Values for tests, with sensible defaults: a test names only what it is about."""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from archiver.model.account import AccountName
from archiver.model.listing import Checkpoint, Cursor, Listing, WalkKind, Window
from archiver.model.objects import Digest, Key, StoredObject
from archiver.model.recording import Document, Listed, ListingName, Malformed, RecordingId
from archiver.ports.catalog import ClaimRequest, PageIntake, WalkRequest

ACCOUNT: Final = AccountName("acme")
RECORDINGS: Final = Listing(ListingName("recordings"))
STARTED_AT: Final = datetime(2026, 2, 1, 9, tzinfo=UTC)


def make_listed(recording_id: str = "r1", **changes: Any) -> Listed:
    """A sound recording of the listing ``recordings``. Its fingerprint follows its document, unless given."""
    document: Document = changes.pop("document", {"recording_id": recording_id})
    usual = Listed(
        recording_id=RecordingId(recording_id),
        listing=RECORDINGS.name,
        started_at=STARTED_AT,
        duration=timedelta(milliseconds=42),
        direction="inbound",
        from_number="+14155550100",
        to_number="+14155550199",
        type="conversation",
        claimed_format="mp3",
        claimed_size=None,
        expires_at=None,
        document=document,
        redacted=(),
        fingerprint=fingerprint_of(document),
    )
    return replace(usual, **changes)


def fingerprint_of(document: Document) -> bytes:
    """A fingerprint that changes with anything in the document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()


def make_malformed(text: str = '{"recording_id": null}', **changes: Any) -> Malformed:
    """A row without an id; two differ when their texts do."""
    usual = Malformed(
        listing=RECORDINGS.name,
        reason="recording_id is missing",
        document=text,
        fingerprint=hashlib.sha256(text.encode()).digest(),
    )
    return replace(usual, **changes)


def make_page(
    *rows: Listed,
    malformed: Iterable[Malformed] = (),
    excluded: Collection[str] = (),
    passed: Collection[str] = (),
    cursor: str | None = None,
    round_: int = 1,
) -> PageIntake:
    """A page's intake; ``cursor`` and ``round_`` make its checkpoint."""
    return PageIntake(
        rows=rows,
        malformed=tuple(malformed),
        checkpoint=Checkpoint(cursor=None if cursor is None else Cursor(cursor), round=round_),
        excluded=frozenset(map(RecordingId, excluded)),
        passed=frozenset(map(RecordingId, passed)),
    )


def make_walk_request(**changes: Any) -> WalkRequest:
    """A full walk over everything, held for a minute."""
    usual = WalkRequest(
        account=ACCOUNT,
        listing=RECORDINGS,
        kind=WalkKind.FULL,
        window=Window(),
        lease=timedelta(minutes=1),
        resume_within=timedelta(hours=1),
    )
    return replace(usual, **changes)


def make_claim_request(pass_started_at: datetime, **changes: Any) -> ClaimRequest:
    """Up to 100 recordings, held for a minute, each tried up to five times in the pass."""
    usual = ClaimRequest(
        account=ACCOUNT,
        limit=100,
        lease=timedelta(minutes=1),
        pass_started_at=pass_started_at,
        max_attempts=5,
    )
    return replace(usual, **changes)


def make_stored_object(body: bytes = b"audio", key: str = "acme/2026/02/01/r1.mp3") -> StoredObject:
    """An object as it lies in storage; two differ when their bodies or keys do."""
    return StoredObject(
        key=Key(key),
        digest=Digest(hashlib.sha256(body).digest()),
        size_bytes=len(body),
        format=key.rpartition(".")[2],
        storage_url=f"file:///srv/recordings/{key}",
    )
