"""Tokens: when they are renewed, how often, and what is sent for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from archiver.model.errors import Denied, ListingError, Throttled, Unreachable
from archiver.model.secret import Secret
from archiver.providers.auth import PasswordGrant, Token, TokenKeeper, TokenRefused, is_token
from tests.accounts import make_account, make_client
from tests.fakes.web import Handler, answering, serve

PASSWORD = "pass-word-0123"
CLIENT_SECRET = "client-secret-0123"


class Desk:
    """Hands out ``t1``, ``t2``, …; ``lasts`` is their life, ``errors`` come first, ``given`` are the last tokens."""

    def __init__(self, lasts: timedelta | None = None, errors: list[Exception] | None = None) -> None:
        self.lasts = lasts
        self.errors = errors or []
        self.given: list[Token | None] = []
        self.now = 0.0
        self.keeper = TokenKeeper(self.obtain, lambda: self.now)

    async def obtain(self, last: Token | None) -> Token:
        """The next token."""
        self.given.append(last)
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop()
        number = len(self.given)
        return Token(value=Secret(f"t{number}"), lasts=self.lasts, refresh=Secret(f"r{number}"))


async def test_a_token_is_obtained_once_for_all() -> None:
    """However many ask at once, one request gets the token that all of them use."""
    desk = Desk()
    tokens = await asyncio.gather(*(desk.keeper.current() for _ in range(20)))
    assert {token.value.reveal() for token in tokens} == {"t1"}
    assert desk.given == [None]


@pytest.mark.parametrize(("lasts", "good_until"), [(86_400, 86_280), (600, 480), (300, 240), (100, 80)])
async def test_a_token_is_renewed_before_its_end(lasts: int, good_until: int) -> None:
    """A token is renewed two minutes before its end, a short-lived one at four fifths of its life."""
    desk = Desk(timedelta(seconds=lasts))
    first = await desk.keeper.current()
    desk.now = good_until - 0.1
    assert await desk.keeper.current() is first
    desk.now = good_until
    assert (await desk.keeper.current()).value == Secret("t2")
    assert desk.given == [None, first]


async def test_a_token_without_a_known_end_stays() -> None:
    """Without an end a token is used until it is refused."""
    desk = Desk()
    first = await desk.keeper.current()
    desk.now = 1e9
    assert await desk.keeper.current() is first


async def test_a_refused_token_is_renewed_once() -> None:
    """Many requests refused with one token lead to one renewal, and all go on with its token."""
    desk = Desk()
    first = await desk.keeper.current()
    tokens = await asyncio.gather(*(desk.keeper.after(first) for _ in range(20)))
    assert {token.value.reveal() for token in tokens} == {"t2"}
    assert desk.given == [None, first]


async def test_a_token_that_is_given_again_counts_as_renewed() -> None:
    """A login that gives the very token that was refused is not repeated by all who were refused with it."""
    logins = 0

    async def obtain(_last: Token | None) -> Token:
        nonlocal logins
        logins += 1
        return Token(value=Secret("in force"))

    keeper = TokenKeeper(obtain)
    first = await keeper.current()
    await asyncio.gather(*(keeper.after(first) for _ in range(20)))
    assert logins == 2


async def test_those_who_wait_share_a_failure() -> None:
    """Wrong credentials are tried once for all who wait, which keeps the account from being locked."""
    desk = Desk(errors=[Denied("wrong password")])
    outcomes = await asyncio.gather(*(desk.keeper.current() for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Denied}
    assert len(desk.given) == 1
    assert (await desk.keeper.current()).value == Secret("t2")


@pytest.mark.parametrize("error", [Unreachable("cut"), Denied("no")])
async def test_a_refresh_is_never_used_twice(error: Exception) -> None:
    """After a renewal that failed, whatever became of it, the next one begins without the old refresh."""
    desk = Desk()
    first = await desk.keeper.current()
    desk.errors = [error]
    with pytest.raises(type(error)):
        await desk.keeper.after(first)
    await desk.keeper.current()
    assert desk.given == [None, first, None]


async def test_a_cancelled_renewal_leaves_others_to_renew() -> None:
    """Who is cancelled while renewing holds nobody up, and the next one begins without the old refresh."""
    desk = Desk()
    asking = asyncio.create_task(desk.keeper.current())
    waiting = asyncio.create_task(desk.keeper.current())
    await asyncio.sleep(0)
    asking.cancel()
    assert (await waiting).value == Secret("t2")
    assert asking.cancelled()


async def test_a_refused_call_is_made_once_more() -> None:
    """A call refused in mid-run is made again with a new token, and not a third time."""
    desk, seen = Desk(), []

    async def call(token: Token) -> str:
        seen.append(token.value.reveal())
        if len(seen) < accepted_at:
            raise TokenRefused("401")
        return "done"

    accepted_at = 2
    assert await desk.keeper.use(call) == "done"
    accepted_at = 9
    with pytest.raises(Denied):
        await desk.keeper.use(call)
    assert seen == ["t1", "t2", "t2", "t3"]


@asynccontextmanager
async def grant_before(handler: Handler) -> AsyncIterator[PasswordGrant]:
    """A grant at a token endpoint that answers like this."""
    async with serve(handler) as peer:
        account = make_account(base_url=peer.origin)
        async with make_client(account) as http:
            yield PasswordGrant(
                http=http,
                token_url=f"{peer.origin}/token",
                client_id="client",
                client_secret=Secret(CLIENT_SECRET),
                username="archive@vbc.prod",
                password=Secret(PASSWORD),
                scope="openid",
                judge=lambda _: None,
            )


def endpoint(forms: list[dict[str, str]], refresh: int = 200) -> Handler:
    """Keeps the forms it gets, and answers a refresh with this status."""

    async def handler(request: web.Request) -> web.StreamResponse:
        forms.append(dict(parse_qsl(await request.text())))
        status = refresh if forms[-1]["grant_type"] == "refresh_token" else 200
        answer = {"access_token": f"t{len(forms)}", "refresh_token": "next", "expires_in": "82566"}
        return web.json_response(answer, status=status)

    return handler


CLIENT = {"client_id": "client", "client_secret": CLIENT_SECRET}
BY_PASSWORD = {"grant_type": "password", "scope": "openid", "username": "archive@vbc.prod", "password": PASSWORD}
BY_REFRESH = {"grant_type": "refresh_token", "refresh_token": "old"}
LAST = Token(value=Secret("t0"), refresh=Secret("old"))


@pytest.mark.parametrize(
    ("last", "refresh", "expected"),
    [
        (None, 200, [BY_PASSWORD]),
        (Token(value=Secret("t0")), 200, [BY_PASSWORD]),
        (LAST, 200, [BY_REFRESH]),
        (LAST, 400, [BY_REFRESH, BY_PASSWORD]),
        (LAST, 401, [BY_REFRESH, BY_PASSWORD]),
    ],
)
async def test_what_is_sent_for_a_token(last: Token | None, refresh: int, expected: list[dict[str, str]]) -> None:
    """A refresh is exchanged where there is one; refused, it makes way for the password."""
    forms: list[dict[str, str]] = []
    async with grant_before(endpoint(forms, refresh)) as grant:
        token = await grant.obtain(last)
    assert forms == [form | CLIENT for form in expected]
    assert token == Token(value=Secret(f"t{len(expected)}"), lasts=timedelta(seconds=82566), refresh=Secret("next"))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, Denied), (401, Denied), (403, Denied), (404, Denied), (302, Denied), (429, Throttled), (200, ListingError)],
)
async def test_a_refused_login(status: int, expected: type[Exception]) -> None:
    """S5: whatever the token endpoint refuses with, it is no recording that is gone, and nothing sent is repeated."""
    answer = json.dumps({"error": f"bad {PASSWORD} of {CLIENT_SECRET}"})
    async with grant_before(answering(status, answer, {"Location": "/elsewhere"})) as grant:
        with pytest.raises(expected, match="acme") as caught:
            await grant.obtain(None)
    assert PASSWORD not in str(caught.value) + str(caught.value.__cause__)
    assert CLIENT_SECRET not in str(caught.value) + str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("facts", "lasts"),
    [({}, None), ({"expires_in": 3600}, 3600), ({"expires_in": "soon"}, None), ({"expires_in": 10**30}, 365 * 86_400)],
)
async def test_the_life_of_a_token(facts: dict[str, Any], lasts: int | None) -> None:
    """The life is what the answer says, as number or text, at most a year; unknown where it says nothing usable."""
    async with grant_before(answering(200, {"access_token": "t1", **facts})) as grant:
        token = await grant.obtain(None)
    assert token.lasts == (None if lasts is None else timedelta(seconds=lasts))
    assert token.refresh is None


@pytest.mark.parametrize(
    ("text", "verdict"), [("", False), ("a b", False), ("a\nb", False), ("ü", False), ("a.b-c", True)]
)
def test_what_can_be_a_token(text: str, verdict: bool) -> None:
    """A token is printable ASCII without blanks, or it would break the header that carries it."""
    assert is_token(text) is verdict
