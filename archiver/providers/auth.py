"""Tokens that end: one per account, renewed before they do or when one is refused, by one request at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from archiver.model.errors import ArchiverError, Denied, ListingError, Permanent
from archiver.model.secret import Secret
from archiver.net.http import HttpClient, Judge, Request
from archiver.providers import fields

_EARLY: Final = timedelta(minutes=2)
"""A token is renewed so long before its end, so that none ends on its way; short-lived ones at four fifths."""

_LONGEST_LIFE: Final = timedelta(days=365)
_Result = TypeVar("_Result")


class TokenRefused(Denied):
    """The token is refused: it has ended, was revoked, or never was one. Another one may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token. ``lasts`` is None for one that has no known end; ``refresh`` can be exchanged for the next."""

    value: Secret
    lasts: timedelta | None = None
    refresh: Secret | None = None
    account_id: str | None = None


Obtain = Callable[[Token | None], Awaitable[Token]]
"""Gets a token from the provider; the last one is given, for its ``refresh``, and never a second time."""


class TokenKeeper:
    """Keeps an account's token in memory, and nowhere else.

    Whoever waits while a token is being renewed gets what comes of it, be it a failure: wrong credentials are tried
    once, not once for every worker, which could lock the account.
    """

    def __init__(self, obtain: Obtain, clock: Callable[[], float] = time.monotonic) -> None:
        self._obtain = obtain
        self._clock = clock
        self._token: Token | None = None
        self._ends_at = float("inf")
        self._turn = asyncio.Lock()
        self._renewals = 0
        self._failure: ArchiverError | None = None

    async def current(self) -> Token:
        """A token that is good for now. Raises: what obtaining one raises."""
        return await self._other_than(None)

    async def after(self, refused: Token) -> Token:
        """The token to use after one was refused: a new one, unless somebody renewed it meanwhile."""
        return await self._other_than(refused)

    async def use(self, call: Callable[[Token], Awaitable[_Result]]) -> _Result:
        """What ``call`` makes of a token; when it raises TokenRefused it is called once more, with another one.

        Raises: what ``call`` and obtaining a token raise.
        """
        token = await self.current()
        try:
            return await call(token)
        except TokenRefused:
            renewed = await self.after(token)
        return await call(renewed)

    async def _other_than(self, refused: Token | None) -> Token:
        renewals = self._renewals
        async with self._turn:
            if self._failure is not None and self._renewals != renewals:
                raise self._failure
            if self._token is None or self._token is refused or self._clock() >= self._ends_at:
                return await self._renew()
            return self._token

    async def _renew(self) -> Token:
        # Forgotten first: whatever becomes of this, neither the token nor its refresh is used again
        last, self._token, self._failure = self._token, None, None
        asked_at = self._clock()
        try:
            self._token = token = await self._obtain(last)
        except ArchiverError as error:
            self._failure = error
            raise
        finally:
            self._renewals += 1
        self._ends_at = float("inf")
        if token.lasts is not None:
            usable = max(token.lasts - _EARLY, token.lasts * 0.8)
            self._ends_at = asked_at + usable.total_seconds()
        return token


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordGrant:
    """Tokens for a user name and a password, refreshed while the provider lets us.

    All of it goes to ``token_url`` alone, whose host the caller has found to be one that may have it.
    Source: RFC 6749, sections 4.3 (password), 5 (answers) and 6 (refresh).
    """

    http: HttpClient
    token_url: str
    client_id: str
    client_secret: Secret
    username: str
    password: Secret
    scope: str
    judge: Judge

    async def obtain(self, last: Token | None) -> Token:
        """The next token: for the refresh of the last one, and where that is refused for the password.

        Raises: Denied when the password is refused too; ListingError for an answer that is no token.
        """
        if last is not None and last.refresh is not None:
            with suppress(Denied):
                return await self._ask({"grant_type": "refresh_token", "refresh_token": last.refresh.reveal()})
        return await self._ask(
            {
                "grant_type": "password",
                "scope": self.scope,
                "username": self.username,
                "password": self.password.reveal(),
            }
        )

    async def _ask(self, grant: Mapping[str, str]) -> Token:
        client = {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}
        request = Request(
            endpoint="token", url=self.token_url, method="POST", form={**grant, **client}, judge=self.judge
        )
        try:
            answer = await self.http.fetch_json(request)
        except Permanent as error:
            fix = "check client_id, client_secret, username, password and token_url"
            raise Denied(error.message, fix=fix, account=error.account, request_id=error.request_id) from error
        return self._read(answer)

    def _read(self, answer: object) -> Token:
        match answer:
            case {"access_token": str(value), **facts} if is_token(value):
                seconds = fields.count(facts.get("expires_in"))
                refresh = fields.text(facts.get("refresh_token"))
                return Token(
                    value=Secret(value),
                    lasts=None if seconds is None else min(_LONGEST_LIFE, timedelta(seconds=min(seconds, 10**9))),
                    refresh=Secret(refresh) if refresh else None,
                )
        name = self.http.account.name
        raise ListingError(f"account {name}: the answer of the token endpoint has no access_token", account=name)


def is_token(text: str) -> bool:
    """Whether a text can stand in an ``Authorization`` header."""
    return text != "" and text.isascii() and text.isprintable() and " " not in text
