"""Vobiz: a listing by offset without a time filter, static credentials in two headers, media behind links.

Source: vobiz docs, recordings API ("List all recordings", "Retrieve a recording", recording object), authentication,
error codes and the recording download guide; read 2026-11.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from json import dumps
from typing import Final
from urllib.parse import quote

from archiver.model.account import Account, Defaults
from archiver.model.errors import ArchiverError, Denied, Gone, ListingError, NotReady, Permanent, Throttled, Transient
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Document, Listed, ListingName, Malformed
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.net.answers import Refusal, find_request_id, seconds_to_wait
from archiver.net.guard import join
from archiver.net.http import HttpClient, Request
from archiver.net.media import Resume, open_media
from archiver.net.redaction import REDACTED, redact
from archiver.ports.provider import Capabilities, Media, MediaRequest
from archiver.providers import fields
from archiver.providers.paging import OffsetPosition, Reading, cursor_in


@dataclass(frozen=True, slots=True, kw_only=True)
class VobizOptions:
    """``auth_id`` is ``MA_…`` (a main account) or ``SA_…`` (a sub-account), and the account's real id."""

    auth_id: str
    auth_token: Secret


DEFAULTS: Final = Defaults(
    base_url="https://api.vobiz.ai/api/v1",
    rate_limit=Rate(2, timedelta(seconds=1)),
    burst=2,
    concurrency=4,
    page_size=100,
    overlap=timedelta(days=1),
    lag=timedelta(0),
    remote_retention=timedelta(days=30),
    credential_hosts=("*.vobiz.ai",),
)
CAPABILITIES: Final = Capabilities(windows=None, can_resume=True)
RECORDINGS: Final = Listing(ListingName("recordings"))

_MAX_MALFORMED_TEXT: Final = 10_000
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

_VOLATILE: Final = frozenset({"recording_storage_duration", "monthly_recording_storage_amount", "recording_url"})


class VobizProvider:
    """One account at Vobiz."""

    capabilities: Final = CAPABILITIES

    def __init__(self, account: Account, options: VobizOptions, http: HttpClient) -> None:
        self._account = account
        self._options = options
        self._http = http
        # A path without its final slash, or in other casing, is documented to answer 401
        self._recordings_url = f"{account.base_url.rstrip('/')}/Account/{quote(options.auth_id, safe='')}/Recording/"

    async def identify(self) -> str:
        """The ``auth_id``: a listing shows the recordings of no other account."""
        return self._options.auth_id

    async def listings(self) -> Sequence[Listing]:
        """The one listing there is."""
        return (RECORDINGS,)

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page at ``cursor``. ``window`` bounds nothing here: the listing has no documented filter by time."""
        position = self._position(cursor)
        request = self._request("list", self._recordings_url, query=position.query(self._account.page_size))
        try:
            answer = await self._http.fetch_json(request)
        except Permanent as error:
            message = f"{error.message}; the listing cannot be read like this: check base_url and auth_id"
            raise ListingError(message, account=error.account, request_id=error.request_id) from error
        return parse_page(answer, listing, position, self._account)

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as the provider shows it now."""
        document = await self._retrieve(recording)
        try:
            return parse_recording(document, recording.listing, self._account)
        except fields.Unusable as error:
            raise _listing_error(self._account, f"the recording cannot be used: {error}", document) from error

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The audio behind ``recording_url``. A link may be temporary: it is renewed when the one that was listed leads
        nowhere, and from the second attempt on in any case."""
        listed_url = None if request.attempt else media_url(request.recording.document)
        async with AsyncExitStack() as stack:
            media = await self._enter(stack, request, listed_url) if listed_url else None
            if media is None:
                url = await self._fresh_url(request.recording)
                media = await self._enter(stack, request, url) if url != listed_url else None
            if media is None:
                # Right after hang-up the recording is there and its audio is "not found"
                message = (
                    f"account {self._account.name}: the audio of {request.recording.recording_id} is not there yet"
                )
                raise NotReady(message, account=self._account.name)
            yield media

    async def _enter(self, stack: AsyncExitStack, wanted: MediaRequest, url: str) -> Media | None:
        """The open media behind a link; None when nothing is found there."""
        request = self._request("media", join(self._recordings_url, url))
        try:
            return await stack.enter_async_context(
                open_media(self._http, request, Resume(wanted.offset, wanted.validator))
            )
        except Gone:
            return None
        except Denied as denied:
            raise await self._after_probing(denied) from denied

    async def _fresh_url(self, recording: Listed) -> str:
        url = media_url(await self._retrieve(recording))
        if url is None:
            message = f"account {self._account.name}: recording {recording.recording_id} has no recording_url yet"
            raise NotReady(message, account=self._account.name)
        return url

    async def _retrieve(self, recording: Listed) -> Document:
        """The provider's own document of a recording, unredacted."""
        url = f"{self._recordings_url}{quote(recording.recording_id, safe='')}/"
        try:
            answer = await self._http.fetch_json(self._request("retrieve", url))
        except Denied as denied:
            raise await self._after_probing(denied) from denied
        return find_recording(answer, recording, self._account)

    async def _after_probing(self, denied: Denied) -> ArchiverError:
        """What a refusal of one recording means: a look at the listing tells whether the credentials are refused."""
        try:
            await self._http.fetch_json(self._request("list", self._recordings_url, query={"limit": "1"}))
        except Denied as refused:
            return refused
        message = f"{denied.message}; the account itself is not refused"
        return Transient(message, account=denied.account, request_id=denied.request_id)

    def _request(self, endpoint: str, url: str, query: Mapping[str, str] | None = None) -> Request:
        return Request(endpoint=endpoint, url=url, query=query or {}, credentials=self._headers, judge=judge)

    async def _headers(self) -> Mapping[str, str]:
        return {"X-Auth-ID": self._options.auth_id, "X-Auth-Token": self._options.auth_token.reveal()}

    def _position(self, cursor: Cursor | None) -> OffsetPosition:
        try:
            return OffsetPosition.parse(cursor)
        except ValueError as error:
            raise _listing_error(self._account, "the kept cursor is none of this listing's", None) from error


def judge(refusal: Refusal) -> ArchiverError | None:
    """Vobiz may name the wait of a 429 in the body: ``error.details.retryAfter``, in seconds."""
    if refusal.status != 429 or refusal.retry_after is not None:
        return None
    details = _member(_member(refusal.document, "error"), "details")
    seconds = fields.number(_member(details, "retryAfter"))
    wait = seconds_to_wait(float(seconds)) if seconds is not None else None
    return Throttled(refusal.message, retry_after=wait, account=refusal.account, request_id=refusal.request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    rows: Sequence[object]
    has_next: bool
    total: int | None
    cursor: str | None = None


def parse_page(answer: object, listing: Listing, position: OffsetPosition, account: Account) -> Page:
    """A page out of the answer to ``position``. Raises: ListingError for an unknown shape."""
    envelope = _read_envelope(answer, account)
    rows: list[Listed] = []
    malformed: list[Malformed] = []
    keys: list[str] = []
    for raw in envelope.rows:
        try:
            rows.append(parse_recording(raw, listing.name, account))
            keys.append(rows[-1].recording_id)
        except fields.Unusable as error:
            malformed.append(_quarantine(raw, listing.name, str(error)))
            keys.append(malformed[-1].fingerprint.hex())
    reading = Reading(row_keys=keys, has_next=envelope.has_next, total=envelope.total, cursor=envelope.cursor)
    step = position.advance(reading)
    return Page(
        rows=tuple(rows),
        malformed=tuple(malformed),
        next_cursor=step.following.as_cursor() if step.following else None,
        total=envelope.total,
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
    raise _listing_error(account, "the listing has an unknown shape", answer)


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


def _quarantine(raw: object, listing: ListingName, reason: str) -> Malformed:
    lasting = {name: value for name, value in raw.items() if name not in _VOLATILE} if isinstance(raw, dict) else raw
    kept = dumps(redact(raw)[0], ensure_ascii=False)[:_MAX_MALFORMED_TEXT]
    return Malformed(listing=listing, reason=reason, document=kept, fingerprint=fields.fingerprint(lasting))


def find_recording(answer: object, recording: Listed, account: Account) -> Document:
    """The recording out of an answer of retrieve: the object itself, or the list envelope with it inside.

    Raises: ListingError when the answer is neither.
    """
    rows = _member(answer, "objects")
    for row in rows if isinstance(rows, list) else (answer,):
        if isinstance(row, dict) and row.get("recording_id") == recording.recording_id:
            return {name: value for name, value in row.items() if name != "api_id"}
    raise _listing_error(account, f"the answer for recording {recording.recording_id} does not hold it", answer)


def media_url(document: Document) -> str | None:
    """The link to the audio, to be used as given; None when there is none, or it was too secret to keep."""
    url = fields.text(document.get("recording_url") or document.get("url"))
    return None if url == REDACTED else url


def _listing_error(account: Account, reason: str, answer: object) -> ListingError:
    request_id = find_request_id({}, answer)
    return ListingError(f"account {account.name}: {reason}", account=account.name, request_id=request_id)


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
