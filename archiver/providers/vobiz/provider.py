"""One account at Vobiz: what is asked for, and where the audio lies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import quote

from archiver.model.account import Account
from archiver.model.errors import ArchiverError, Denied, Gone, ListingError, NotReady, Permanent, Transient
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Document, Listed, ListingName
from archiver.net.guard import join
from archiver.net.http import HttpClient, Request
from archiver.net.media import Resume, open_media
from archiver.ports.provider import Capabilities, Media, MediaRequest
from archiver.providers import claims, fields
from archiver.providers.paging import OffsetPosition
from archiver.providers.vobiz.documents import find_recording, media_url, parse_page, parse_recording
from archiver.providers.vobiz.options import VobizOptions
from archiver.providers.vobiz.refusals import judge

CAPABILITIES: Final = Capabilities(
    windows=None, seek=lambda rows: OffsetPosition(offset=rows).as_cursor(), can_resume=True, claims=claims.VOBIZ
)
RECORDINGS: Final = Listing(ListingName("recordings"))


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
            raise fields.listing_error(self._account, f"the recording cannot be used: {error}", document) from error

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
            raise fields.listing_error(self._account, "the kept cursor is none of this listing's", None) from error
