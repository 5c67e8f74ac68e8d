"""Reads what Vobiz answers: pages, recordings, links. All of it is pure.

Source: vobiz docs, recordings API, recording object; read 2026-11.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.model.account import Account
from archiver.model.listing import Listing, Page
from archiver.model.recording import Document, Listed, ListingName
from archiver.net.redaction import REDACTED, redact
from archiver.providers import fields
from archiver.providers.paging import OffsetPosition, Reading, cursor_in

_FACTS: Final = (
    "recording_id",
    "call_uuid",
    "recording_duration_ms",
    "recording_start_ms",
    "recording_end_ms",
    "recording_format",
    "recording_type",
    "from_number",
    "to_number",
    "conference_name",
)
"""What changes only when the recording does. Links may be temporary, storage days and prices change by themselves, and
a field that the service adds one day must not make every recording look changed."""

_QUARANTINE: Final = fields.Quarantine(
    volatile=frozenset({"recording_storage_duration", "monthly_recording_storage_amount", "recording_url"})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    rows: Sequence[object]
    has_next: bool
    total: int | None
    cursor: str | None = None


def parse_page(answer: object, listing: Listing, position: OffsetPosition, account: Account) -> Page:
    """A page out of the answer to ``position``. Raises: ListingError for an unknown shape."""
    envelope = _read_envelope(answer, account)
    sifted = _QUARANTINE.sift(envelope.rows, listing.name, lambda raw: parse_recording(raw, listing.name, account))
    reading = Reading(row_keys=sifted.keys, has_next=envelope.has_next, total=envelope.total, cursor=envelope.cursor)
    step = position.advance(reading)
    return Page(
        rows=sifted.rows,
        malformed=sifted.malformed,
        next_cursor=step.following.as_cursor() if step.following else None,
        total=envelope.total,
        has_gap=step.has_gap,
        doubt=step.doubt,
    )


def _read_envelope(answer: object, account: Account) -> _Envelope:
    """The documented envelope, or the one that older pages show. Neither is ever taken for an empty listing."""
    match answer:
        case {"meta": {"next": None | str() as link} as meta, "objects": list(rows)}:
            total = fields.count(meta.get("total_count"))
            return _Envelope(rows=rows, has_next=bool(link), total=total, cursor=cursor_in(link))
        case {"meta": {"total_count": int(total)} as meta, "objects": list(rows)} if "next" not in meta:
            # A total can stand in for the link: what it claims beyond these rows is asked for by offset
            return _Envelope(rows=rows, has_next=False, total=fields.count(total))
        case {"pagination": {"has_more": bool(has_more)} as pagination, "recordings": list(rows)}:
            return _Envelope(rows=rows, has_next=has_more, total=fields.count(pagination.get("total")))
    raise fields.listing_error(account, "the listing has an unknown shape", answer)


def parse_recording(raw: object, listing: ListingName, account: Account) -> Listed:
    """A recording as the listing or retrieve shows it. Raises: Unusable when it has no identity that we can use."""
    document, redacted = redact(raw)
    if not isinstance(raw, dict) or not isinstance(document, dict):
        raise fields.Unusable("the row is no object")
    recording_id = fields.required_id(raw.get("recording_id"))
    added_at = fields.instant(document.get("add_time") or document.get("created_at"))
    retention = account.remote_retention
    return Listed(
        recording_id=recording_id,
        listing=listing,
        started_at=fields.instant_of_milliseconds(document.get("recording_start_ms")) or added_at,
        # The older envelope's "duration" and "file_size" come without a unit: no claim is better than a wrong one
        duration=fields.length_of_milliseconds(document.get("recording_duration_ms")),
        direction=None,
        from_number=fields.text(document.get("from_number")),
        to_number=fields.text(document.get("to_number")),
        type=fields.text(document.get("recording_type")),
        claimed_format=fields.text(document.get("recording_format") or document.get("format")),
        claimed_size=None,
        expires_at=added_at + retention if added_at and retention else None,
        document=document,
        redacted=redacted,
        fingerprint=fields.fingerprint([str(added_at), *(raw.get(name) or None for name in _FACTS)]),
    )


def find_recording(answer: object, recording: Listed, account: Account) -> Document:
    """The recording out of an answer of retrieve: the object itself, or the list envelope with it inside.

    Raises: ListingError when the answer is neither.
    """
    rows = fields.member(answer, "objects")
    for row in rows if isinstance(rows, list) else (answer,):
        if isinstance(row, dict) and row.get("recording_id") == recording.recording_id:
            return {name: value for name, value in row.items() if name != "api_id"}
    raise fields.listing_error(account, f"the answer for recording {recording.recording_id} does not hold it", answer)


def media_url(document: Document) -> str | None:
    """The link to the audio, to be used as given; None when there is none, or it was too secret to keep."""
    url = fields.text(document.get("recording_url") or document.get("url"))
    return None if url == REDACTED else url
