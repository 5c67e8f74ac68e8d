"""Between the catalog's rows and our model, both ways; and what PostgreSQL cannot hold, made fit for it."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from archiver.model.account import AccountName
from archiver.model.listing import WalkId, WalkReport
from archiver.model.objects import Digest, Key, StoredObject
from archiver.model.recording import Claim, LeaseId, Listed, ListingName, Malformed, Reason, RecordingId, State
from archiver.ports.catalog import Record

_LONGEST_ID_BYTES: Final = 1000
_LONGEST_ERROR: Final = 2000
_LONGEST_DOCUMENT: Final = 10_000
_LARGEST_BIGINT: Final = 2**63 - 1
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_MICROSECOND: Final = timedelta(microseconds=1)


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it: NUL and half surrogate pairs become U+FFFD."""
    return text.replace("\0", _REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def error_text(text: str) -> str:
    """An error as it is kept: the first 2,000 characters."""
    return storable(text[:_LONGEST_ERROR])


def to_json(value: object) -> str:
    """The value as JSON that PostgreSQL takes. What is no JSON (NaN, infinity) becomes null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return to_json(_cleaned(value))
    is_fit = "\\u0000" not in text and (text.isascii() or text == storable(text))
    return text if is_fit else json.dumps(_cleaned(value), ensure_ascii=False)


def _cleaned(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {storable(str(name)): _cleaned(part) for name, part in value.items()}
        case list() | tuple():
            return [_cleaned(part) for part in value]
        case _:
            return value


def sort_out(rows: Sequence[Listed], malformed: Sequence[Malformed]) -> tuple[Sequence[Listed], Sequence[Malformed]]:
    """Each recording of a page once, in the order of ids, which spares deadlocks; what has no usable id is malformed.

    An identity is never altered to make it fit: two recordings could become one.
    """
    by_id = {row.recording_id: row for row in rows}
    usable = {name: row for name, row in by_id.items() if _is_usable(name)}
    unusable = [_without_id(row) for name, row in by_id.items() if name not in usable]
    return [usable[name] for name in sorted(usable)], [*malformed, *unusable]


def _is_usable(name: str) -> bool:
    return name != "" and storable(name) == name and len(name.encode()) <= _LONGEST_ID_BYTES


def _without_id(row: Listed) -> Malformed:
    return Malformed(
        listing=row.listing,
        reason=f"its id is empty, longer than {_LONGEST_ID_BYTES} bytes, or has characters that cannot be kept",
        document=to_json(row.document)[:_LONGEST_DOCUMENT],
        fingerprint=row.fingerprint,
    )


def listed_fields(row: Listed, *, is_excluded: bool) -> dict[str, object]:
    """A recording as the statements of the intake read it from JSON."""
    return {
        "recording_id": row.recording_id,
        "listing": row.listing,
        "started_at": _iso(row.started_at),
        "expires_at": _iso(row.expires_at),
        "duration_us": None if row.duration is None else row.duration // _MICROSECOND,
        "direction": row.direction,
        "from_number": row.from_number,
        "to_number": row.to_number,
        "type": row.type,
        "claimed_format": row.claimed_format,
        "claimed_size": _bigint(row.claimed_size),
        "is_ready": row.is_ready,
        "is_excluded": is_excluded,
        "document": row.document,
        "redacted": row.redacted,
        "fingerprint": "\\x" + row.fingerprint.hex(),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _bigint(number: int | None) -> int | None:
    """A claim of the provider beyond what a file can measure says nothing."""
    return number if number is not None and 0 <= number <= _LARGEST_BIGINT else None


def to_listed(row: asyncpg.Record) -> Listed:
    """The recording as its listing showed it."""
    return Listed(
        recording_id=RecordingId(row["recording_id"]),
        listing=ListingName(row["listing"]),
        started_at=row["started_at"],
        duration=row["duration"],
        direction=row["direction"],
        from_number=row["from_number"],
        to_number=row["to_number"],
        type=row["type"],
        claimed_format=row["claimed_format"],
        claimed_size=row["claimed_size"],
        expires_at=row["expires_at"],
        document=row["document"],
        redacted=tuple(row["redacted"]),
        fingerprint=row["fingerprint"],
        is_ready=row["is_ready"],
    )


def to_claim(row: asyncpg.Record) -> Claim:
    """A row that was just claimed."""
    return Claim(
        row=row["id"],
        lease=LeaseId(row["lease_id"]),
        state=State(row["state"]),
        listed=to_listed(row),
        first_seen_at=row["first_seen_at"],
        attempts=row["attempts"],
        attempts_in_pass=row["pass_attempts"],
        kept=_to_kept(row),
        suspect=row["suspect"],
        verified_at=row["verified_at"],
        refused=Digest(row["refused_sha256"]) if row["refused_sha256"] else None,
    )


def _to_kept(row: asyncpg.Record) -> StoredObject | None:
    if row["key"] is None:
        return None
    return StoredObject(
        key=Key(row["key"]),
        digest=Digest(row["sha256"]),
        size_bytes=row["size_bytes"],
        format=row["format"],
        storage_url=row["storage_url"],
    )


def to_record(row: asyncpg.Record) -> Record:
    """A row with its account, as commands see it."""
    return Record(
        row=row["id"],
        account=AccountName(row["account"]),
        provider=row["provider"],
        listed=to_listed(row),
        state=State(row["state"]),
        reason=Reason(row["reason"]) if row["reason"] else None,
        suspect=row["suspect"],
        is_held=row["held"],
        first_seen_at=row["first_seen_at"],
        format=row["format"],
        size_bytes=row["size_bytes"],
        digest=row["sha256"],
        key=row["key"],
        storage_url=row["storage_url"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        error=row["error"],
        stored_at=row["stored_at"],
        verified_at=row["verified_at"],
        verified_by=row["verified_by"],
        remote_missing_at=row["remote_missing_at"],
        remote_deleted_at=row["remote_deleted_at"],
    )


def to_report(row: asyncpg.Record) -> WalkReport:
    """A walk that ended."""
    return WalkReport(
        id=WalkId(row["id"]),
        listing=ListingName(row["listing"]),
        is_complete=row["doubt"] is None,
        doubt=row["doubt"],
        pages=row["pages"],
        listed=row["listed"],
        new=row["new"],
        malformed=row["malformed"],
    )
