"""One account at one Kazoo: what is asked for, and with which token."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from archiver.model.account import Account
from archiver.model.errors import ArchiverError, Denied, Gone, IntegrityError, ListingError, NotReady, Permanent
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Listed, ListingName, RecordingId
from archiver.model.secret import Secret
from archiver.net.http import Credentials, HttpClient, Request
from archiver.net.media import Resume, open_media
from archiver.ports.provider import Capabilities, Media, MediaRequest, WindowRule
from archiver.providers import claims, fields
from archiver.providers.auth import Token, TokenKeeper
from archiver.providers.kazoo.documents import (
    find_recording,
    gregorian_seconds,
    parse_page,
    parse_recording,
    start_key,
)
from archiver.providers.kazoo.options import KazooOptions, login_of
from archiver.providers.kazoo.refusals import judge, judge_login

ACCOUNT: Final = Listing(ListingName("account"))
LONGEST_RECORDING: Final = timedelta(seconds=10_800)
CAPABILITIES: Final = Capabilities(
    windows=WindowRule(
        longest=timedelta(days=7),
        overlap=timedelta(days=1),
        reach=timedelta(days=3650),
        # A day more, for servers that count months in their local time
        month_seam=timedelta(days=1) + LONGEST_RECORDING,
    ),
    can_resume=True,
    claims=claims.KAZOO,
)

_LOGIN_COST: Final = 35
_TOKEN_LASTS: Final = timedelta(hours=1)
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=6)
_FARTHEST_ZONE: Final = timedelta(hours=14)
_SAVED_WITHIN: Final = timedelta(hours=1)
_MAX_PAGES_LOOKED_AT: Final = 20


class KazooProvider:
    """One account at one Kazoo."""

    capabilities: Final = CAPABILITIES

    def __init__(self, account: Account, options: KazooOptions, http: HttpClient) -> None:
        self._account = account
        self._options = options
        self._http = http
        self._base_url = account.base_url.rstrip("/")
        self._account_url = f"{self._base_url}/accounts/{quote(options.account_id, safe='')}"
        self._tokens = TokenKeeper(self._log_in)
        self._asks_in_query = False

    async def identify(self) -> str:
        """The configured ``account_id``, whatever account a login names: credentials of an account above this one open
        it too, and what is archived is what was configured."""
        return self._options.account_id

    async def listings(self) -> Sequence[Listing]:
        """The account's listing, which holds the users' recordings as well, and those of the users that were named."""
        account = [ACCOUNT] if "account" in self._options.listings else []
        users = dict.fromkeys(self._options.user_ids)
        return (*account, *(Listing(ListingName(f"user:{user}"), resource=user) for user in users))

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page at ``cursor``, newest first. ``window`` bounds when a document was saved: shortly after the end of
        its recording, so up to three hours and more behind ``started_at``."""
        if window.since is None or window.until is None:
            raise ValueError("without both ends of a window Kazoo shows some month or other")
        query = {
            "created_from": str(gregorian_seconds(window.since)),
            "created_to": str(gregorian_seconds(window.until)),
            "page_size": str(self._account.page_size),
        } | self._start_key(cursor)
        user = f"/users/{quote(listing.resource, safe='')}" if listing.resource else ""
        request = Request(endpoint="list", url=f"{self._account_url}{user}/recordings", query=query, judge=judge)
        try:
            answer = await self._fetch_json(request)
        except Permanent as error:
            message = f"{error.message}; the listing cannot be read like this: check base_url, account_id and user_ids"
            raise ListingError(message, account=error.account, request_id=error.request_id) from error
        return parse_page(answer, listing.name, cursor, self._account)

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as Kazoo shows it now. Whether its audio is there only a listing tells."""
        url, headers = self._url(recording.recording_id), {"Accept": "application/json"}
        answer = await self._fetch_json(Request(endpoint="retrieve", url=url, headers=headers, judge=judge))
        raw = find_recording(answer, recording.recording_id, self._account)
        return parse_recording(raw, recording.listing)

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The audio, at the recording's own address. What is stored elsewhere Kazoo fetches itself.

        Raises: beside what the port names, Permanent for a recording that Kazoo lists and never finds.
        """
        async with AsyncExitStack() as stack:
            try:
                media = await self._open_audio(stack, request)
            except NotReady as waiting:
                waiting.retry_after = pause_for_audio(request.recording, datetime.now(UTC))
                raise
            except Gone as gone:
                raise await self._after_looking(gone, request.recording) from gone
            yield media

    async def _open_audio(self, stack: AsyncExitStack, wanted: MediaRequest) -> Media:
        """Ask by header; and by query too, from then on, where something on the way is found to drop the header."""
        if not self._asks_in_query:
            media = await self._enter(stack, wanted, {})
            if not _is_document(media):
                return media
            await stack.aclose()
        media = await self._enter(stack, wanted, {"accept": "audio/mpeg"})
        if _is_document(media):
            recording = f"account {self._account.name}: recording {wanted.recording.recording_id}"
            message = f"{recording}: asked by header and by query, Kazoo sent no audio"
            raise IntegrityError(message, account=self._account.name)
        self._asks_in_query = True
        return media

    async def _enter(self, stack: AsyncExitStack, wanted: MediaRequest, query: Mapping[str, str]) -> Media:
        request = Request(
            endpoint="media",
            url=self._url(wanted.recording.recording_id),
            query=query,
            # Exactly this, for WAV too: */* is answered by the document, audio/* by nothing, audio/wav by 406
            headers={"Accept": "audio/mpeg"},
            judge=judge,
        )
        # The ETag is the document's revision, no digest; but to write an attachment is to renew it, so that equal ones
        # stand for equal bytes
        resume = Resume(wanted.offset, wanted.validator)
        return await self._tokens.use(
            lambda token: stack.enter_async_context(
                open_media(self._http, replace(request, credentials=_signature(token)), resume)
            )
        )

    async def _after_looking(self, gone: Gone, recording: Listed) -> ArchiverError:
        """What it means that a recording is not found. One that began in one month and ended in the next can lie with
        the second and be looked for in the first: always listed, never found."""
        if not is_at_month_seam(recording) or not await self._is_listed(recording):
            return gone
        reason = "listed but not retrievable: it spans two months, and Kazoo looks for it in the wrong one"
        fix = "have Kazoo's operator take the audio out of the database of the later month"
        return Permanent(f"{gone.message}; {reason}", fix=fix, account=gone.account, request_id=gone.request_id)

    async def _is_listed(self, recording: Listed) -> bool:
        """Whether the listing shows a recording, within the time in which its document was saved."""
        window, cursor = Window(recording.started_at, _latest_end(recording) + _SAVED_WITHIN), None
        for _ in range(_MAX_PAGES_LOOKED_AT):
            page = await self.list_page(ACCOUNT, window, cursor)
            if any(row.recording_id == recording.recording_id for row in page.rows):
                return True
            cursor = page.next_cursor
            if cursor is None:
                break
        return False

    async def _fetch_json(self, request: Request) -> object:
        return await self._tokens.use(
            lambda token: self._http.fetch_json(replace(request, credentials=_signature(token)))
        )

    async def _log_in(self, last: Token | None) -> Token:
        fixed = self._options.auth_token
        if fixed is not None and last is not None:
            message = f"account {self._account.name}: auth_token is refused, and nothing is there to renew it with"
            fix = "an auth_token ends, by default after an hour: give api_key instead"
            raise Denied(message, fix=fix, account=self._account.name)
        if fixed is not None:
            return Token(value=fixed)
        path, login = login_of(self._options)
        answer = await self._http.fetch_json(
            Request(
                endpoint="login",
                method="PUT",
                url=f"{self._base_url}/{path}",
                json={"data": login},
                judge=judge_login,
                cost=_LOGIN_COST,
            )
        )
        token = fields.text(fields.member(answer, "auth_token"))
        if token is None:
            raise fields.listing_error(self._account, "the answer to the login holds no token", answer)
        return Token(value=Secret(token), lasts=_TOKEN_LASTS)

    def _url(self, recording_id: RecordingId) -> str:
        return f"{self._account_url}/recordings/{quote(recording_id, safe='')}"

    def _start_key(self, cursor: Cursor | None) -> dict[str, str]:
        try:
            return start_key(cursor)
        except ValueError as error:
            raise fields.listing_error(self._account, "the kept cursor is none of this listing's", None) from error


def is_at_month_seam(recording: Listed) -> bool:
    """Whether a recording may have begun in another month than it ended, in whatever zone the server counts months."""
    if recording.started_at is None:
        return False
    begin, end = recording.started_at - _FARTHEST_ZONE, _latest_end(recording) + _FARTHEST_ZONE
    return (begin.year, begin.month) != (end.year, end.month)


def pause_for_audio(recording: Listed, now: datetime) -> timedelta:
    """The pause before audio that is not there is asked for again: 2 minutes to 6 hours, growing with its age.

    Kazoo uploads it after it saves the document, and after a failure up to five times more, at most ten minutes apart;
    so what is not there after a day seldom comes.
    """
    age = now - _latest_end(recording)
    return min(max(age / 4, _SHORTEST_WAIT), _LONGEST_WAIT)


def _latest_end(recording: Listed) -> datetime:
    """When a recording was over; one of unknown length, at the latest."""
    length = LONGEST_RECORDING if recording.duration is None else recording.duration
    return (recording.started_at or datetime.min.replace(tzinfo=UTC)) + length


def _signature(token: Token) -> Credentials:
    async def headers() -> Mapping[str, str]:
        return {"X-Auth-Token": token.value.reveal()}

    return headers


def _is_document(media: Media) -> bool:
    """Whether what came in place of audio shows that the header was not heard."""
    return media.size_bytes == 0 or "json" in (media.content_type or "").lower()
