"""The adapter itself: who asks, what is asked for, and where the audio lies."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from archiver.model.account import Account
from archiver.model.errors import ConfigError, Denied, Gone, ListingError, NotReady, Permanent
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Document, Listed, ListingName
from archiver.net.guard import Guard, join
from archiver.net.http import HttpClient, Request
from archiver.net.media import Resume, open_media
from archiver.ports.provider import Capabilities, Media, MediaRequest
from archiver.providers import claims, fields
from archiver.providers.auth import PasswordGrant, Token, TokenKeeper
from archiver.providers.paging import PageNumberPosition
from archiver.providers.vonage_vbc.documents import (
    Owners,
    find_owners,
    media_url,
    other_version,
    parse_page,
    parse_recording,
    text_of,
    window_query,
)
from archiver.providers.vonage_vbc.options import COMPANY, SELF, USER, VonageVbcOptions
from archiver.providers.vonage_vbc.refusals import judge, judge_throttling

CAPABILITIES: Final = Capabilities(windows=None, filters_by_time=True, can_resume=True, claims=claims.VONAGE_VBC)

_MEDIA_HEADERS: Final = {"Accept": "audio/mpeg, */*;q=0.5"}


class VonageVbcProvider:
    """One account at VBC."""

    def __init__(self, account: Account, options: VonageVbcOptions, http: HttpClient) -> None:
        worth = replace(claims.VONAGE_VBC, has_exact_sizes=options.exact_sizes)
        self.capabilities: Final = replace(CAPABILITIES, claims=worth)
        self._account = account
        self._options = options
        self._http = http
        self._root = f"{account.base_url.rstrip('/')}/api/accounts/{options.account_id}"
        self._grant = _password_grant(account, options, http)
        self._tokens = TokenKeeper(self._obtain)
        self._owners: dict[str, Owners] = {}

    async def identify(self) -> str:
        """The ``account_id``, or the account that the links of a listing name.

        Raises: ListingError while there is no recording and nothing names the account: an answer could change later.
        """
        if self._options.account_id != SELF:
            return self._options.account_id
        for name in self._asked():
            owners = await self._find_owners(name)
            if owners.account_id or owners.has_rows:
                return owners.account_id or self._stand_in()
        message = f"account {self._account.name}: it is empty, and nothing there names it"
        raise ListingError(message, fix="set account_id to its real id", account=self._account.name)

    async def listings(self) -> Sequence[Listing]:
        """``company`` and ``user:ID``, as configured, with the users' real ids."""
        names = [await self._real_name(name) for name in self._asked()]
        return tuple(Listing(ListingName(name)) for name in dict.fromkeys(names))

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page at ``cursor``, of the recordings that began in ``window``."""
        try:
            position = PageNumberPosition.parse(cursor, self._account.page_size)
        except ValueError as error:
            raise fields.listing_error(self._account, "the kept cursor is none of this listing's", None) from error
        answer = await self._list(listing.name, {**position.query(), **window_query(window)})
        return parse_page(answer, listing.name, position, self._account)

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as the provider shows it now."""
        document = await self._retrieve(recording)
        try:
            return parse_recording(document, recording.listing, self._account)
        except fields.Unusable as error:
            raise fields.listing_error(self._account, f"the recording cannot be used: {error}", document) from error

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The audio at ``download_url``; where nothing is found, at the one that retrieve shows, with ``/v1`` and
        without: both forms are documented."""
        recording = request.recording
        listed_url = None if request.attempt else media_url(recording.document)
        async with AsyncExitStack() as stack:
            media = await self._open_any(stack, request, [listed_url])
            if media is None:
                fresh_url = media_url(await self._retrieve(recording))
                others = [url for url in (fresh_url, other_version(fresh_url)) if url != listed_url]
                media = await self._open_any(stack, request, others)
            if media is None:
                message = f"account {self._account.name}: the audio of {recording.recording_id} is not there yet"
                raise NotReady(message, account=self._account.name)
            yield media

    async def _open_any(self, stack: AsyncExitStack, wanted: MediaRequest, urls: Sequence[str | None]) -> Media | None:
        """The media behind the first link that leads to any."""
        for url in urls:
            media = await self._enter(stack, wanted, url) if url else None
            if media is not None:
                return media
        return None

    async def _enter(self, stack: AsyncExitStack, wanted: MediaRequest, url: str) -> Media | None:
        """The open media behind a link; None when nothing is found there."""

        async def enter(token: Token) -> Media:
            request = Request(
                endpoint="media",
                url=join(self._account.base_url, url),
                headers=_MEDIA_HEADERS,
                credentials=partial(_bearer, token),
                judge=judge,
            )
            resume = Resume(wanted.offset, wanted.validator)
            return await stack.enter_async_context(open_media(self._http, request, resume))

        try:
            return await self._tokens.use(enter)
        except Gone:
            return None

    async def _retrieve(self, recording: Listed) -> Document:
        """The provider's own document of a recording, unredacted."""
        number = recording.recording_id.removeprefix(f"{recording.listing}:")
        answer = await self._fetch("retrieve", f"{self._url(recording.listing)}/{quote(number, safe='')}", {})
        if not isinstance(answer, dict) or text_of(answer.get("id")) != number:
            reason = f"the answer for recording {recording.recording_id} does not hold it"
            raise fields.listing_error(self._account, reason, answer)
        return answer

    async def _list(self, name: str, query: Mapping[str, str]) -> object:
        try:
            return await self._fetch("list", self._url(name), {"order": "start:DESC", **query})
        except Permanent as error:
            message = f"{error.message}; the listing {name} cannot be read like this: check account_id and user_ids"
            raise ListingError(message, account=error.account, request_id=error.request_id) from error

    async def _fetch(self, endpoint: str, url: str, query: Mapping[str, str]) -> object:
        async def fetch(token: Token) -> object:
            request = Request(endpoint=endpoint, url=url, query=query, credentials=partial(_bearer, token), judge=judge)
            return await self._http.fetch_json(request)

        return await self._tokens.use(fetch)

    def _asked(self) -> Sequence[str]:
        """The configured listings, as they are named there."""
        users = [f"{USER}{user_id}" for user_id in self._options.user_ids] if "users" in self._options.listings else []
        return ([COMPANY] if COMPANY in self._options.listings else []) + users

    def _url(self, name: str) -> str:
        """The address of a listing; one whose user's real id is unknown is that of the token's user."""
        user_id = name.removeprefix(USER)
        if name == user_id:
            return f"{self._root}/company_call_recordings"
        return f"{self._root}/users/{SELF if user_id.startswith(f'{SELF}@') else user_id}/call_recordings"

    async def _real_name(self, name: str) -> str:
        if name != f"{USER}{SELF}":
            return name
        return USER + ((await self._find_owners(name)).user_id or self._stand_in())

    async def _find_owners(self, name: str) -> Owners:
        owners = self._owners.get(name)
        if owners is None or not owners.has_rows:
            answer = await self._list(name, {"page_size": "1"})
            owners = self._owners[name] = find_owners(answer, self._account)
        return owners

    def _stand_in(self) -> str:
        """A name for ``self`` that stays the same for the same login."""
        login = self._options.username or ""
        return f"{SELF}@{hashlib.sha256(login.encode()).hexdigest()[:16]}"

    async def _obtain(self, last: Token | None) -> Token:
        if self._grant is not None:
            return await self._grant.obtain(last)
        if last is not None or self._options.access_token is None:
            message = f"account {self._account.name}: the access_token is refused, and there is no way to renew it"
            fix = "put a new access_token, or client_id, client_secret, username and password in its place"
            raise Denied(message, fix=fix, account=self._account.name)
        return Token(value=self._options.access_token)


def _password_grant(account: Account, options: VonageVbcOptions, http: HttpClient) -> PasswordGrant | None:
    """How to log in; None with a fixed token. Raises: ConfigError when the token's host may not have credentials."""
    if not (options.client_id and options.client_secret and options.username and options.password):
        return None
    token_url = options.token_url or join(account.base_url, "/token")
    try:
        may_have_credentials = Guard(account).judge(token_url).gets_credentials
    except Permanent as error:
        raise ConfigError(error.message, key="token_url", account=account.name, fix=error.fix) from error
    if not may_have_credentials:
        message = f"account {account.name}: the host of token_url would get the client's secret and the password"
        raise ConfigError(message, key="token_url", account=account.name, fix="if it may, add it to credential_hosts")
    return PasswordGrant(
        http=http,
        token_url=token_url,
        client_id=options.client_id,
        client_secret=options.client_secret,
        username=options.username if options.username.endswith("@vbc.prod") else f"{options.username}@vbc.prod",
        password=options.password,
        scope="openid",
        judge=judge_throttling,
    )


async def _bearer(token: Token) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token.value.reveal()}"}
