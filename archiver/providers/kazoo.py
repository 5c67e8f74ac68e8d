"""2600Hz Kazoo: listings by windows of time, tokens of a fixed life, media at a recording's own address by ``Accept``.

Operators run and set up Kazoo themselves, so its limits and the life of its tokens may differ from these defaults.
Source: 2600Hz docs, Crossbar: recordings, api_auth, user_auth; open-source Kazoo 4.3 and master; read 2026-11.
"""

import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Final, Literal, TypeVar
from urllib.parse import quote

from archiver.model import errors
from archiver.model.account import Account, Defaults
from archiver.model.errors import ArchiverError, Denied, Gone, ListingError, NotReady, Permanent
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Listed, ListingName, Malformed
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.net.answers import Refusal, classify, find_request_id
from archiver.net.http import Credentials, HttpClient, Request
from archiver.net.media import Resume, open_media
from archiver.net.redaction import redact
from archiver.ports.provider import Capabilities, Media, MediaRequest, WindowRule
from archiver.providers import fields
from archiver.providers.auth import Token, TokenKeeper

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KazooOptions:
    """One kind of credentials: ``api_key``; ``username``, ``password`` and one name of their account (``account_name``,
    ``realm``, ``phone_number``); or ``auth_token``, which ends, by default after an hour. ``method`` is how the password
    is digested. The credentials may be those of a parent of ``account_id``. Raises: ValueError for other combinations.
    """

    account_id: str
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    account_name: str | None = None
    realm: str | None = None
    phone_number: str | None = None
    method: Literal["md5", "sha"] = "md5"
    auth_token: Secret | None = None
    listings: tuple[Literal["account", "users"], ...] = ("account",)
    user_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = [self.api_key, self.username, self.auth_token]
        names = [name for name in (self.account_name, self.realm, self.phone_number) if name]
        if not self.account_id or not self.listings or not all(self.user_ids):
            raise ValueError("account_id, listings and user_ids must not be empty")
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("needs one of api_key, username (with password) and auth_token, and only one")
        if self.username is None and (self.password is not None or names):
            raise ValueError("password, account_name, realm and phone_number are of use with username only")
        if self.username is not None and (self.password is None or len(names) != 1):
            raise ValueError("username needs password, and exactly one of account_name, realm and phone_number")
        if ("users" in self.listings) != bool(self.user_ids):
            raise ValueError('"users" in listings and user_ids go together: give both or neither')


DEFAULTS: Final = Defaults(
    base_url=None,
    rate_limit=Rate(5, timedelta(seconds=1)),
    burst=20,
    concurrency=2,
    page_size=100,
    overlap=timedelta(days=1),
    lag=timedelta(hours=1),
    remote_retention=None,
)
CAPABILITIES: Final = Capabilities(
    windows=WindowRule(
        longest=timedelta(days=7),
        overlap=timedelta(days=1),
        reach=timedelta(days=3650),
        # The longest recording, and a day for servers that count months in their local time
        month_seam=timedelta(hours=24, seconds=10_800),
    ),
    can_resume=True,
)

_LOGIN_COST: Final = 35
_TOKEN_LASTS: Final = timedelta(hours=1)
_UNIX_EPOCH: Final = 62_167_219_200
"""1970 in Gregorian seconds, which Kazoo counts from year 0. A Unix time would be taken for the year 54."""

_LAST_SECOND: Final = 10**11
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=6)
_LONGEST_RECORDING: Final = timedelta(seconds=10_800)
_SAVED_WITHIN: Final = timedelta(hours=1)
_ZONES: Final = timedelta(hours=14)
_MAX_MALFORMED_TEXT: Final = 10_000
_CURSOR: Final = "start_key="
_FACTS: Final = (
    "id start duration duration_ms media_type call_id cdr_id caller_id_number callee_id_number from to direction origin"
).split()
"""What changes only when the recording does, and stands in listings and single documents alike."""


class TokenRefused(Denied):
    """401: the token has ended, or never was one."""


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
        """The configured ``account_id``. A login may name another account: a reseller's credentials open those below
        it, and what is archived is what was configured."""
        return self._options.account_id

    async def listings(self) -> Sequence[Listing]:
        """The account's listing, which holds the users' recordings too, and those of the users that were named."""
        users = dict.fromkeys(self._options.user_ids)
        found = [Listing(ListingName("account"))] if "account" in self._options.listings else []
        return (*found, *(Listing(ListingName(f"user:{user}"), resource=user) for user in users))

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page at ``cursor``, newest first. ``window`` bounds when a recording was saved, shortly after its end."""
        if window.since is None or window.until is None:
            raise ValueError("Kazoo shows a month unless both ends of a window are given")
        query = {
            "created_from": str(gregorian(window.since)),
            "created_to": str(gregorian(window.until)),
            "page_size": str(self._account.page_size),
        } | self._start_key(cursor)
        user = f"/users/{quote(listing.resource, safe='')}" if listing.resource else ""
        request = Request(endpoint="list", url=f"{self._account_url}{user}/recordings", query=query, judge=judge)
        try:
            answer = await self._fetch_json(request)
        except Permanent as error:
            message = f"{error.message}; the listing cannot be read like this: check base_url, account_id and user_ids"
            raise ListingError(message, account=error.account, request_id=error.request_id) from error
        page = parse_page(answer, listing.name, self._account)
        if cursor is not None and page.next_cursor == cursor:
            return replace(page, next_cursor=None, doubt="a page that names itself as the next one")
        return page

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as Kazoo shows it now; whether its media is there only listings tell."""
        request = Request(
            endpoint="retrieve", url=self._url(recording), headers={"Accept": "application/json"}, judge=judge
        )
        answer = await self._fetch_json(request)
        data = _member(answer, "data")
        for raw in data if isinstance(data, list) else (data,):
            if _member(raw, "id") == recording.recording_id:
                return parse_recording(raw, recording.listing)
        raise _listing_error(self._account, f"the answer for {recording.recording_id} does not hold it", answer)

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The audio. What is kept elsewhere, Kazoo fetches itself: there is no second host and no link.

        Raises: Permanent for a recording that Kazoo goes on listing and cannot find, beside what the port names.
        """
        async with AsyncExitStack() as stack:
            try:
                media = await self._open_audio(stack, request)
            except NotReady as waiting:
                waiting.retry_after = wait_for_audio(request.recording, datetime.now(UTC))
                raise
            except Gone as gone:
                raise await self._after_looking(gone, request.recording) from gone
            yield media

    async def _open_audio(self, stack: AsyncExitStack, wanted: MediaRequest) -> Media:
        """Ask by header, or by header and query where something on the way was found to drop the header."""
        if not self._asks_in_query:
            media = await self._enter(stack, wanted, {})
            if not _is_document(media):
                return media
            await stack.aclose()
        media = await self._enter(stack, wanted, {"accept": "audio/mpeg"})
        if _is_document(media):
            message = f"account {self._account.name}: asked for the audio of {wanted.recording.recording_id}, by header"
            raise errors.IntegrityError(f"{message} and by query, Kazoo sent none", account=self._account.name)
        self._asks_in_query = True
        return media

    async def _enter(self, stack: AsyncExitStack, wanted: MediaRequest, query: Mapping[str, str]) -> Media:
        # Exactly this type, for WAV too: */* answers with the document, audio/* with nothing, audio/wav with 406
        headers = {"Accept": "audio/mpeg"}
        request = Request(endpoint="media", url=self._url(wanted.recording), query=query, headers=headers, judge=judge)
        # The ETag is the document's revision, no digest; but whatever replaces an attachment renews it, so it is a
        # sound validator: equal ones stand for equal bytes
        resume = Resume(wanted.offset, wanted.validator)

        async def enter(credentials: Credentials) -> Media:
            signed = replace(request, credentials=credentials)
            return await stack.enter_async_context(open_media(self._http, signed, resume))

        return await self._signed_in(enter)

    async def _after_looking(self, gone: Gone, recording: Listed) -> ArchiverError:
        """What it means that a recording is not found. One that began in one month and ended in the next may be kept
        with the second and looked for in the first: listed for ever, and never found."""
        if not is_at_month_seam(recording) or not await self._is_listed(recording):
            return gone
        message = f"{gone.message}; listed but not retrievable: it began in one month and ended in another, and Kazoo"
        fix = "ask Kazoo's operator for the file"
        return Permanent(f"{message} looks for it in the wrong one", fix=fix, account=gone.account)

    async def _is_listed(self, recording: Listed) -> bool:
        """Whether the listing shows a recording, in the window in which it must have been saved."""
        start = recording.started_at
        listing = next(found for found in await self.listings() if found.name == recording.listing)
        ...
