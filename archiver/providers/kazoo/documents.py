"""What Kazoo writes: pages of a listing, documents of recordings, and times as seconds since year 0.

Source: 2600Hz docs, recordings; schema of call recordings; open-source Kazoo 4.3 and master; read 2026-11.
"""

import math
from datetime import datetime
from typing import Final

from archiver.model.account import Account
from archiver.model.listing import Cursor, Page
from archiver.model.recording import Document, Listed, ListingName, RecordingId
from archiver.net.redaction import redact
from archiver.providers import fields

_UNIX_EPOCH: Final = 62_167_219_200
"""1970 in Gregorian seconds."""

_LAST_SECOND: Final = 10**11
_CURSOR: Final = "start_key="
_SECRETS: Final = ("/url",)
"""The address of a storage elsewhere, which may hold what opens it. Media is asked of Kazoo alone."""

_QUARANTINE: Final = fields.Quarantine(secrets=_SECRETS)
_DIRECTIONS: Final = ("inbound", "outbound", "internal")
_FACTS: Final = (
    "start",
    "duration",
    "duration_ms",
    "media_type",
    "call_id",
    "cdr_id",
    "caller_id_number",
    "callee_id_number",
    "from",
    "to",
    "direction",
    "origin",
)
"""What changes only when the recording does, and stands alike in listings and in single documents."""


def gregorian_seconds(moment: datetime) -> int:
    """A moment in whole seconds since year 0. A Unix time given in its place would be answered by an empty listing."""
    return math.floor(moment.timestamp()) + _UNIX_EPOCH


def start_key(cursor: Cursor | None) -> dict[str, str]:
    """The parameter that asks for the page at a cursor. Raises: ValueError when no page of Kazoo's gave it."""
    if cursor is None:
        return {}
    if not cursor.startswith(_CURSOR):
        raise ValueError("not a position in this listing")
    return {"start_key": cursor.removeprefix(_CURSOR)}


def parse_page(answer: object, listing: ListingName, cursor: Cursor | None, account: Account) -> Page:
    """A page out of the answer to ``cursor``. Raises: ListingError for an unknown shape."""
    match answer:
        case {"status": "success", "data": list(raws), **others}:
            following = others.get("next_start_key")
        case _:
            raise fields.listing_error(account, "the listing has an unknown shape", answer)
    if following is not None and not (following and isinstance(following, str)):
        raise fields.listing_error(account, "the listing's next_start_key has an unknown shape", answer)
    sifted = _QUARANTINE.sift(raws, listing, lambda raw: parse_recording(raw, listing))
    next_cursor, doubt = Cursor(f"{_CURSOR}{following}") if following else None, None
    if following and next_cursor == cursor:
        next_cursor, doubt = None, "a page that names itself as the next one"
    elif following and not raws:
        doubt = "an empty page that names a next one"
    return Page(rows=sifted.rows, malformed=sifted.malformed, next_cursor=next_cursor, doubt=doubt)


def parse_recording(raw: object, listing: ListingName) -> Listed:
    """A recording as listings and single documents show it. Raises: Unusable when it has no identity that we can use.

    ``direction`` is Kazoo's word, where it is one of ours: it speaks of the recorded leg as the switch sees it.
    """
    document, redacted = redact(raw, _SECRETS)
    if not isinstance(raw, dict) or not isinstance(document, dict):
        raise fields.Unusable("the row is no object")
    recording_id = fields.required_id(raw.get("id"))
    direction = fields.text(document.get("direction"))
    return Listed(
        recording_id=recording_id,
        listing=listing,
        started_at=fields.instant_of_milliseconds(_milliseconds(document.get("start"), since=_UNIX_EPOCH)),
        duration=fields.length_of_milliseconds(document.get("duration_ms"))
        or fields.length_of_milliseconds(_milliseconds(document.get("duration"))),
        direction=direction if direction in _DIRECTIONS else None,
        from_number=_number(document, "caller_id_number", "from"),
        to_number=_number(document, "callee_id_number", "to"),
        type=fields.text(document.get("origin")),
        claimed_format=(fields.text(document.get("media_type")) or "").removeprefix(".") or None,
        claimed_size=None,
        expires_at=None,
        document=document,
        redacted=redacted,
        fingerprint=fields.fingerprint([raw.get(name) or None for name in _FACTS]),
        is_ready=_is_ready(document),
    )


def find_recording(answer: object, recording_id: RecordingId, account: Account) -> object:
    """The document out of an answer for one recording, where it may stand in an array.

    Raises: ListingError when it is not there.
    """
    data = fields.member(answer, "data")
    for raw in data if isinstance(data, list) else (data,):
        if isinstance(raw, dict) and raw.get("id") == recording_id:
            return raw
    raise fields.listing_error(account, f"the answer for recording {recording_id} does not hold it", answer)


def _is_ready(document: Document) -> bool:
    """Only listings tell, by the types of the attachments; no list of them says nothing."""
    match document:
        case {"_read_only": {"content_types": []}}:
            return False
    return True


def _milliseconds(seconds: object, since: int = 0) -> int | None:
    found = fields.number(seconds)
    return int((found - since) * 1000) if found is not None and since <= found < _LAST_SECOND else None


def _number(document: Document, number: str, address: str) -> str | None:
    """A party by its number, else by the part of its SIP address before the host."""
    return fields.text(document.get(number)) or fields.text(str(document.get(address) or "").partition("@")[0])
