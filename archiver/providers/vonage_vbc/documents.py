"""Reads what VBC answers: pages, recordings, links. All of it is pure.

Source: vonage VBC call recording API, specification 1.0.1, and developer pages; read 2026-11.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from archiver.model.account import Account
from archiver.model.listing import Page, Window
from archiver.model.recording import Document, Listed, ListingName, RecordingId
from archiver.net.redaction import REDACTED, redact
from archiver.providers import fields
from archiver.providers.paging import NumberedReading, PageNumberPosition
from archiver.providers.vonage_vbc.options import COMPANY, REAL_ID, SELF

_QUARANTINE: Final = fields.Quarantine(volatile=frozenset({"download_url", "_links"}))
_DIRECTIONS: Final = {"INBOUND": "inbound", "OUTBOUND": "outbound", "INTRA_PBX": "internal"}
_OWNERS: Final = re.compile(r"/accounts/([^/?#]+)(?:/users/([^/?#]+))?")
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{2,4})$")
_JUST_UNDER_A_SECOND: Final = timedelta(microseconds=999_999)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who a listing belongs to, by its links; None where they don't say it."""

    account_id: str | None
    user_id: str | None
    has_rows: bool


def window_query(window: Window) -> Mapping[str, str]:
    """The filters for a window: whole seconds, the parts of one at its ends included."""
    ends = {"start:gte": window.since, "start:lte": window.until and window.until + _JUST_UNDER_A_SECOND}
    return {name: f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+0000" for name, end in ends.items() if end is not None}


def parse_page(answer: object, listing: ListingName, position: PageNumberPosition, account: Account) -> Page:
    """A page out of the answer to ``position``. Raises: ListingError for an unknown shape."""
    sifted = _QUARANTINE.sift(_rows(answer, account), listing, lambda raw: parse_recording(raw, listing, account))
    total = fields.count(fields.member(answer, "total_items"))
    reading = NumberedReading(
        row_keys=sifted.keys,
        number=fields.count(fields.member(answer, "page")),
        size=fields.count(fields.member(answer, "page_size")) or None,
        page_count=fields.count(fields.member(answer, "total_pages")),
        total=total,
    )
    step = position.advance(reading)
    return Page(
        rows=sifted.rows,
        malformed=sifted.malformed,
        next_cursor=step.following.as_cursor() if step.following else None,
        total=total,
        has_gap=step.has_gap,
        doubt=step.doubt,
    )


def _rows(answer: object, account: Account) -> Sequence[object]:
    """The rows of a listing; ``_embedded`` may be absent when there are none, the counts may not."""
    embedded = fields.member(answer, "_embedded")
    match embedded:
        case {"recordings": list(rows)}:
            return rows
    if not embedded and fields.count(fields.member(answer, "total_items")) is not None:
        return ()
    raise fields.listing_error(account, "the listing has an unknown shape", answer)


def find_owners(answer: object, account: Account) -> Owners:
    """The real ids in the links of a listing and its rows. Raises: ListingError for an unknown shape."""
    rows = _rows(answer, account)
    groups = [fields.member(one, "_links") for one in (answer, *rows)]
    links = [fields.member(link, "href") for group in groups if isinstance(group, dict) for link in group.values()]
    found = [match for link in links if isinstance(link, str) and (match := _OWNERS.search(link))]
    ids = [[one for match in found if (one := match[place]) and one != SELF] for place in (1, 2)]
    account_id, user_id = (next(filter(REAL_ID.fullmatch, names), None) for names in ids)
    return Owners(account_id, user_id, bool(rows))


def parse_recording(raw: object, listing: ListingName, account: Account) -> Listed:
    """A recording as the listing or retrieve shows it. Raises: Unusable when it has no identity that we can use."""
    document, redacted = redact(raw)
    if not isinstance(raw, dict) or not isinstance(document, dict):
        raise fields.Unusable("the row is no object")
    number = fields.required_id(text_of(raw.get("id")))
    started_at, duration = fields.instant(raw.get("start")), fields.length_of_milliseconds(raw.get("duration"))
    direction, retention = text_of(document.get("call_direction")), account.remote_retention
    from_number, to_number = text_of(document.get("caller_id")), text_of(document.get("dnis"))
    size_bytes = fields.count(raw.get("file_size_in_bytes")) or None
    file_name = text_of(document.get("file_name"))
    extension = _EXTENSION.search(file_name or "")
    facts = [number, raw.get("call_id"), direction, from_number, to_number, file_name, size_bytes]
    return Listed(
        recording_id=RecordingId(f"{listing}:{number}"),
        listing=listing,
        started_at=started_at,
        duration=duration,
        direction=_DIRECTIONS.get((direction or "").upper()),
        from_number=from_number,
        to_number=to_number,
        type=COMPANY if listing == COMPANY else "on_demand",
        claimed_format=extension[1].lower() if extension else None,
        claimed_size=size_bytes,
        expires_at=started_at + retention if started_at and retention else None,
        document=document,
        redacted=redacted,
        fingerprint=fields.fingerprint([*facts, str(started_at), str(fields.instant(raw.get("end"))), str(duration)]),
    )


def media_url(document: Document) -> str | None:
    """The link to the audio, to be used as given; None when there is none, or it was too secret to keep."""
    url = fields.text(document.get("download_url"))
    return None if url == REDACTED else url


def other_version(url: str | None) -> str | None:
    """The link with ``/v1`` where it has none, and without where it has one; None when it is no such link."""
    parts = re.fullmatch(r"(.*?)(/v1)?(/api/audio/.*)", url or "")
    return f"{parts[1]}{'' if parts[2] else '/v1'}{parts[3]}" if parts else None


def text_of(value: object) -> str | None:
    """A text, or a number that may as well be written as one."""
    return fields.text(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)
