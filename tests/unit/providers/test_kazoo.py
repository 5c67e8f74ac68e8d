"""What Kazoo sends, read out of its samples and out of what a peer makes of them."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.app.config.load import load
from archiver.model.errors import (
    ArchiverError,
    ConfigError,
    Denied,
    Gone,
    IntegrityError,
    ListingError,
    NotReady,
    Permanent,
    Throttled,
    Transient,
    WindowTooLarge,
)
from archiver.model.listing import Cursor, Page, Window
from archiver.model.recording import Listed
from archiver.model.secret import Secret
from archiver.net.http import HttpClient
from archiver.ports.provider import Media, MediaRequest
from archiver.providers.kazoo import DEFAULTS, KazooOptions, KazooProvider
from archiver.providers.kazoo.documents import find_recording, gregorian_seconds, parse_page, parse_recording
from archiver.providers.kazoo.options import login_of
from archiver.providers.kazoo.provider import ACCOUNT, CAPABILITIES, is_at_month_seam, pause_for_audio
from archiver.providers.registry import Registration
from tests.accounts import make_account, make_client
from tests.builders import make_listed
from tests.fakes.web import serve

TEXT = st.characters(exclude_categories=[])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT), inner, max_size=3),
    max_leaves=5,
)
UNKEPT = {"\x00", *map(chr, range(0xD800, 0xE000))}
ACCOUNT_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
USER_ID = "11112222333344445555666677778888"
RECORDING_ID = "202610-a1b2c3d4e5f60718293a4b5c6d7e8f90"
KEY = "0123456789abcdef" * 4
BY_KEY: dict[str, Any] = {"account_id": ACCOUNT_ID, "api_key": Secret(KEY)}
BY_USER: dict[str, Any] = {"account_id": ACCOUNT_ID, "username": "Archive", "password": Secret("hunter2-hunter2")}
WEEK = Window(datetime(2026, 10, 15, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC))
RECORDING_PATH = f"/v2/accounts/{ACCOUNT_ID}/recordings/{RECORDING_ID}"
HTML = "<html><body>Bad gateway</body></html>"


def sample(name: str) -> Any:
    """A stored answer."""
    return json.loads((Path(__file__).parents[2] / "samples" / "kazoo" / f"{name}.json").read_text())


def row(**changes: Any) -> dict[str, Any]:
    """The first recording of the listing's sample, changed."""
    return {**sample("list")["data"][0], **changes}


def page_with(*rows: object, cursor: Cursor | None = None, **envelope: Any) -> Page:
    """The page that holds these raw rows, and is the last one unless told otherwise."""
    return parse_page({**sample("list_empty"), "data": list(rows), **envelope}, ACCOUNT.name, cursor, make_account())


@dataclass
class Kazoo:
    """An installation that answers as told. ``listing``, ``document`` and ``media`` are a status with a body: an
    object as JSON, bytes as audio, a text as a proxy's page; a list of such is answered one after the other, the last
    for ever. Only tokens in ``good`` are let in; a login gives the next one, and says ``login`` if that is set."""

    listing: Any = field(default_factory=lambda: (200, sample("list_last")))
    document: Any = field(default_factory=lambda: (200, sample("document")))
    media: Any = (200, b"ID3 audio")
    login: Any = None
    good: set[str] = field(default_factory=set)
    logins: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[web.BaseRequest] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One answer."""
        self.asked.append(request)
        if request.method == "PUT":
            return await self._log_in(request)
        if request.headers.get("X-Auth-Token") not in self.good:
            return respond((401, sample("error_token")))
        if request.path.endswith("/recordings"):
            return respond(self._next("listing"))
        wants_audio = "audio/mpeg" in (request.headers["Accept"], request.query.get("accept"))
        return respond(self._next("media" if wants_audio else "document"), request)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        self.logins.append((request.path, await request.json()))
        if self.login is not None:
            return respond(self.login)
        token = f"token-{len(self.logins)}"
        self.good.add(token)
        return respond((201, {**sample("login"), "auth_token": token}))

    def _next(self, name: str) -> Any:
        answers = getattr(self, name)
        if not isinstance(answers, list):
            return answers
        return answers.pop(0) if len(answers) > 1 else answers[0]


def respond(answer: tuple[int, object], request: web.Request | None = None) -> web.StreamResponse:
    """An answer over HTTP; audio in the part that was asked for."""
    status, body = answer
    if isinstance(body, str):
        return web.Response(status=status, text=body, content_type="text/html")
    if not isinstance(body, bytes):
        return web.json_response(body, status=status)
    begin = request.http_range.start if request is not None else None
    if not begin:
        return web.Response(status=status, body=body, content_type="audio/mpeg", headers={"ETag": '"1-a"'})
    part = {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}", "ETag": '"1-a"'}
    return web.Response(status=206, body=body[begin:], content_type="audio/mpeg", headers=part)


@asynccontextmanager
async def provider_before(
    kazoo: Kazoo, options: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[KazooProvider]:
    """The adapter, talking to this installation with an API key unless told otherwise."""
    async with serve(kazoo.answer) as peer:
        account = make_account(provider="kazoo", base_url=f"{peer.origin}/v2", **changes)
        async with make_client(account) as http:
            yield KazooProvider(account, KazooOptions(**(options or BY_KEY)), http)


async def fetch(provider: KazooProvider, recording: Listed | None = None, **resume: Any) -> tuple[Media, bytes]:
    """Open the media of a recording and read it."""
    long_ago = datetime(2020, 5, 5, tzinfo=UTC)
    request = MediaRequest(recording=recording or make_listed(RECORDING_ID, started_at=long_ago), **resume)
    async with provider.open_media(request) as media:
        return media, b"".join([chunk async for chunk in media.chunks])


async def error_of(call: Awaitable[object]) -> ArchiverError:
    """The error that a call ends with."""
    with pytest.raises(ArchiverError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"api_key": Secret(KEY), "auth_token": Secret(KEY)},
        {"api_key": Secret(KEY), "username": "u"},
        {"api_key": Secret(KEY), "password": Secret(KEY)},
        {"auth_token": Secret(KEY), "realm": "r"},
        {"username": "u", "realm": "r"},
        {"username": "u", "password": Secret(KEY)},
        {"username": "u", "password": Secret(KEY), "realm": "r", "account_name": "n"},
        {"api_key": Secret(KEY), "account_id": ""},
        {"api_key": Secret(KEY), "listings": ()},
        {"api_key": Secret(KEY), "listings": ("users",)},
        {"api_key": Secret(KEY), "user_ids": (USER_ID,)},
        {"api_key": Secret(KEY), "listings": ("users",), "user_ids": ("",)},
    ],
)
def test_other_combinations_of_options_are_refused(changes: dict[str, Any]) -> None:
    """T6: what cannot work is refused before any request, in words without a secret."""
    with pytest.raises(ValueError, match=r"needs|must|together|of use with") as caught:
        KazooOptions(**{"account_id": ACCOUNT_ID, **changes})
    assert KEY not in str(caught.value)


def test_options_are_read_from_a_configuration(tmp_path: Path) -> None:
    """T6: a table gives lists as tuples and secrets as secrets; a word that is none of the known ones is named."""
    path = tmp_path / "config.toml"
    table = f'[accounts.pbx]\nprovider = "kazoo"\nbase_url = "https://k.example/v2"\naccount_id = "{ACCOUNT_ID}"\n'
    own = 'api_key = "key"\nlistings = ["account", "users"]\nuser_ids = ["u"]\n'
    registered = {"kazoo": Registration(options=KazooOptions, defaults=DEFAULTS, build=KazooProvider)}
    path.write_text(table + own, "utf-8")
    (account,) = load(path, {}, registered).accounts
    assert account.options == KazooOptions(
        account_id=ACCOUNT_ID, api_key=Secret("key"), listings=("account", "users"), user_ids=("u",)
    )
    path.write_text(table + own.replace("account", "company") + 'method = "sha512"\n', "utf-8")
    with pytest.raises(ConfigError, match=r"(?s)listings\[0\]: must be .*method: must be"):
        load(path, {}, registered)


def test_a_login_by_key() -> None:
    """An API key is given as it is."""
    assert login_of(KazooOptions(**BY_KEY)) == ("api_auth", {"api_key": KEY})


@pytest.mark.parametrize(
    ("option", "key"), [("account_name", "account_name"), ("realm", "account_realm"), ("phone_number", "phone_number")]
)
@pytest.mark.parametrize(("method", "digest"), [("md5", hashlib.md5), ("sha", hashlib.sha1)])
def test_a_login_by_user(option: str, key: str, method: Any, digest: Callable[[bytes], Any]) -> None:
    """A user's credentials are a digest, the name in lower case; the account is named in one of three ways."""
    path, login = login_of(KazooOptions(**{**BY_USER, "method": method, option: "acme"}))
    assert path == "user_auth"
    assert login == {"credentials": digest(b"archive:hunter2-hunter2").hexdigest(), "method": method, key: "acme"}


def test_the_defaults() -> None:
    """The limits suit a Kazoo that nobody tuned, and a window of the walk stays below its longest by far."""
    assert (DEFAULTS.base_url, str(DEFAULTS.rate_limit), DEFAULTS.burst) == (None, "5/s", 20)
    assert CAPABILITIES.windows is not None
    assert CAPABILITIES.windows.longest <= timedelta(days=30)
    assert CAPABILITIES.windows.month_seam == timedelta(hours=27)


def test_the_listing_sample() -> None:
    """Every fact of a document of 4.3 is read; its times are Gregorian seconds (D5)."""
    page = parse_page(sample("list"), ACCOUNT.name, None, make_account())
    listed = page.rows[0]
    assert (page.total, page.malformed, page.doubt, len(page.rows)) == (None, (), None, 2)
    assert (listed.recording_id, listed.listing) == (RECORDING_ID, "account")
    assert listed.started_at == datetime(2026, 10, 21, 0, 3, tzinfo=UTC)
    assert listed.duration == timedelta(milliseconds=42980)
    assert (listed.from_number, listed.to_number) == ("+14155550100", "+14155550199")
    assert (listed.direction, listed.type) == ("inbound", "inbound from PSTN to onnet")
    assert (listed.claimed_format, listed.claimed_size, listed.expires_at) == ("mp3", None, None)
    assert listed.is_ready


def test_a_document_of_master() -> None:
    """Absent facts are unknown, the format has no dot, other words for the direction are left out, and a document
    without attachments is not ready (B5)."""
    listed = parse_recording(sample("list")["data"][1], ACCOUNT.name)
    assert listed.duration == timedelta(seconds=7)
    assert (listed.claimed_format, listed.direction, listed.type) == ("wav", None, None)
    assert (listed.from_number, listed.to_number) == ("1002", "1003")
    assert not listed.is_ready


@pytest.mark.parametrize("read_only", [None, {}, {"content_types": None}, {"content_types": ["audio/wav"]}, []])
def test_what_says_nothing_about_attachments_is_ready(read_only: object) -> None:
    """B5: only an empty list of types says that the audio is not there."""
    assert parse_recording(row(_read_only=read_only), ACCOUNT.name).is_ready


@pytest.mark.parametrize("start", [1_792_540_980, 0, -1, 10**11, "x", None, True, "1E+999999999", [63959760180]])
def test_a_start_that_is_no_gregorian_second_is_unknown(start: object) -> None:
    """D5: a Unix time is no Gregorian one, and no time is better than a wrong one."""
    assert parse_recording(row(start=start), ACCOUNT.name).started_at is None


def test_gregorian_seconds_are_whole() -> None:
    """D5: 1970 is 62,167,219,200; what is below a second is left out."""
    assert gregorian_seconds(datetime(1970, 1, 1, tzinfo=UTC)) == 62_167_219_200
    assert gregorian_seconds(datetime(2026, 10, 21, 5, 33, 0, 999999, tzinfo=UTC)) == 63_959_779_980


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"data": []},
        {"status": "success"},
        {"status": "success", "data": {}},
        {"status": "error", "data": []},
        {"status": "fatal", "data": []},
        {"status": "success", "data": [], "next_start_key": 7},
        {"status": "success", "data": [], "next_start_key": ""},
        {"surprise": []},
    ],
)
def test_an_unknown_envelope_is_no_empty_listing(answer: object) -> None:
    """D2: whatever is not the envelope is a ListingError with the account's name."""
    with pytest.raises(ListingError, match="acme") as caught:
        parse_page(answer, ACCOUNT.name, None, make_account())
    assert caught.value.account == "acme"


def test_an_empty_window_is_sound() -> None:
    """D2: months without a database are silent; an empty window is no doubt and no end of anything."""
    page = parse_page(sample("list_empty"), ACCOUNT.name, None, make_account())
    assert (page.rows, page.next_cursor, page.doubt) == ((), None, None)


def test_a_page_that_leads_nowhere_is_doubted() -> None:
    """D2: a page that names itself ends the window, one that is empty does not; both leave it incomplete."""
    first = page_with(row(), next_start_key="g2wA")
    again = page_with(row(), next_start_key="g2wA", cursor=first.next_cursor)
    empty = page_with(next_start_key="g2wA")
    assert first.doubt is None
    assert (again.next_cursor, again.rows) == (None, first.rows)
    assert empty.next_cursor == first.next_cursor
    assert again.doubt
    assert empty.doubt


@pytest.mark.parametrize("bad", [None, 7, "text", [], {}, row(id=None), row(id="../x"), row(id=["x"]), row(id="a/b")])
def test_a_malformed_row_costs_no_other(bad: object) -> None:
    """D6: one malformed row among good ones is kept aside with its reason."""
    page = page_with(row(), bad, row(id="202610-b"))
    assert [listed.recording_id for listed in page.rows] == [RECORDING_ID, "202610-b"]
    assert page.malformed[0].reason


@seed(20261122)
@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*row(), "auth_token", "x\x00"]), JSON, max_size=6), stray=JSON)
def test_no_row_brings_the_page_down(changes: dict[str, Any], stray: object) -> None:
    """D6: whatever stands in a row, it is listed or kept aside, in a form that a catalog can hold."""
    page = page_with(row(), row(**changes), stray)
    assert len(page.rows) + len(page.malformed) == 3
    for listed in page.rows:
        assert not UNKEPT & set(json.dumps(listed.document, allow_nan=False, ensure_ascii=False))
    for malformed in page.malformed:
        assert not UNKEPT & set(malformed.document)


def test_secrets_are_not_kept() -> None:
    """S5: neither the token of the envelope nor the address of a storage elsewhere is kept, in good rows or bad."""
    page = page_with(row(custom_channel_vars={"auth_token": "tok"}), row(id=None), row(url="https://plain.example"))
    kept = [json.dumps(dict(listed.document)) for listed in page.rows] + [page.malformed[0].document]
    assert page.rows[0].redacted == ("/url", "/custom_channel_vars/auth_token")
    assert page.rows[1].document["url"] == "[redacted]"
    assert not [text for text in kept if "hunter2" in text or "eyJ" in text or "plain.example" in text]


@pytest.mark.parametrize("name", ["document", "document_in_array"])
def test_a_single_document_has_the_fingerprint_of_its_row(name: str) -> None:
    """A single document, also in an array, is the recording of the listing, whatever only listings show."""
    raw = find_recording(sample(name), parse_recording(row(), ACCOUNT.name).recording_id, make_account())
    single, listed = parse_recording(raw, ACCOUNT.name), parse_recording(row(), ACCOUNT.name)
    assert single.fingerprint == listed.fingerprint
    assert parse_recording(row(duration_ms=1), ACCOUNT.name).fingerprint != listed.fingerprint


@pytest.mark.parametrize(
    ("started_at", "duration", "expected"),
    [
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), timedelta(minutes=5), True),
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), None, True),
        (datetime(2026, 11, 1, 5, tzinfo=UTC), timedelta(minutes=5), True),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), timedelta(minutes=5), True),
        (datetime(2026, 11, 2, tzinfo=UTC), timedelta(minutes=5), False),
        (None, timedelta(minutes=5), False),
    ],
)
def test_the_seam_of_months(started_at: datetime | None, duration: timedelta | None, *, expected: bool) -> None:
    """Around a change of month, in whatever zone the server counts, a recording may lie in the wrong database."""
    assert is_at_month_seam(make_listed(started_at=started_at, duration=duration)) is expected


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        (timedelta(0), timedelta(minutes=2)),
        (timedelta(hours=1), timedelta(minutes=15)),
        (timedelta(days=30), timedelta(hours=6)),
    ],
)
def test_audio_is_asked_for_less_and_less(age: timedelta, pause: timedelta) -> None:
    """B5: what is not there yet is waited for in minutes, what was never there in hours."""
    listed = make_listed(duration=timedelta(0))
    assert listed.started_at is not None
    assert pause_for_audio(listed, listed.started_at + age) == pause


async def test_a_window_is_asked_for_with_both_ends() -> None:
    """D5: both ends go out in Gregorian seconds, unchanged on every page; the next page by its key."""
    kazoo = Kazoo(listing=[(200, sample("list")), (200, sample("list_last"))])
    async with provider_before(kazoo) as provider:
        first = await provider.list_page(ACCOUNT, WEEK, None)
        await provider.list_page(ACCOUNT, WEEK, first.next_cursor)
    bounds = {"created_from": "63959241600", "created_to": "63959846400", "page_size": "100"}
    assert [request.path for request in kazoo.asked[1:]] == [f"/v2/accounts/{ACCOUNT_ID}/recordings"] * 2
    assert dict(kazoo.asked[1].query) == bounds
    assert dict(kazoo.asked[2].query) == {**bounds, "start_key": "g2wAAAACbgUAdGhlLW5leHQ="}


@pytest.mark.parametrize("window", [Window(), Window(since=WEEK.since), Window(until=WEEK.until)])
async def test_an_open_window_is_never_asked_for(window: Window) -> None:
    """D2: without both ends Kazoo would show its last 31 days as if they were all."""
    kazoo = Kazoo()
    async with provider_before(kazoo) as provider:
        with pytest.raises(ValueError, match="both ends"):
            await provider.list_page(ACCOUNT, window, None)
    assert kazoo.asked == []


async def test_a_foreign_cursor_is_refused() -> None:
    """D2: a cursor that no page gave is not sent."""
    async with provider_before(Kazoo()) as provider:
        with pytest.raises(ListingError):
            await provider.list_page(ACCOUNT, WEEK, Cursor("never given"))


async def test_listings_of_users() -> None:
    """Account and users are listings of their own, each user once, and a row says which shows it."""
    kazoo = Kazoo()
    options = {**BY_KEY, "listings": ("account", "users"), "user_ids": (USER_ID, USER_ID)}
    async with provider_before(kazoo, options) as provider:
        account, user = await provider.listings()
        page = await provider.list_page(user, WEEK, None)
        assert await provider.identify() == ACCOUNT_ID
    assert (account.name, user.name, page.rows[0].listing) == ("account", f"user:{USER_ID}", f"user:{USER_ID}")
    assert kazoo.asked[-1].path == f"/v2/accounts/{ACCOUNT_ID}/users/{USER_ID}/recordings"


async def test_one_login_serves_all() -> None:
    """P1: requests at the same time share one login, and its token."""
    kazoo = Kazoo()
    async with provider_before(kazoo, {**BY_USER, "realm": "acme.example"}) as provider:
        await asyncio.gather(*(provider.list_page(ACCOUNT, WEEK, None) for _ in range(5)))
    assert [path for path, _ in kazoo.logins] == ["/v2/user_auth"]
    assert {request.headers["X-Auth-Token"] for request in kazoo.asked[1:]} == {"token-1"}


async def test_a_login_costs_what_kazoo_counts_for_it() -> None:
    """P1: a login takes 35 shares of the limiter, another request one."""
    costs: list[float] = []

    class NotedPacer:
        async def turn(self, cost: float = 1.0) -> None:
            costs.append(cost)

        def freeze(self, duration: timedelta) -> None:
            """Nothing is refused here."""

    async with serve(Kazoo().answer) as peer:
        account = make_account(base_url=f"{peer.origin}/v2")
        async with HttpClient(account, NotedPacer()) as http:
            await KazooProvider(account, KazooOptions(**BY_KEY), http).list_page(ACCOUNT, WEEK, None)
    assert costs == [35, 1]


async def test_a_token_that_ended_is_renewed_once() -> None:
    """A 401 in the middle of a run leads to one login for all who met it, and each asks once more."""
    kazoo = Kazoo()
    async with provider_before(kazoo) as provider:
        await provider.list_page(ACCOUNT, WEEK, None)
        kazoo.good.clear()
        await asyncio.gather(provider.list_page(ACCOUNT, WEEK, None), fetch(provider), fetch(provider))
    assert len(kazoo.logins) == 2


async def test_a_new_token_that_is_refused_is_denied() -> None:
    """When the new token is refused as well, the account is denied after one login more."""
    kazoo = Kazoo(login=(201, sample("login")))
    async with provider_before(kazoo) as provider:
        error = await error_of(provider.list_page(ACCOUNT, WEEK, None))
    assert isinstance(error, Denied)
    assert (len(kazoo.logins), len(kazoo.asked)) == (2, 4)


async def test_a_fixed_token_is_used_as_it_is() -> None:
    """A token of the operator's own needs no login, cannot be renewed, and is not shown when it is refused (S5)."""
    kazoo = Kazoo(good={"fixed-token"})
    async with provider_before(kazoo, {"account_id": ACCOUNT_ID, "auth_token": Secret("fixed-token")}) as provider:
        await provider.list_page(ACCOUNT, WEEK, None)
        kazoo.good.clear()
        error = await error_of(provider.list_page(ACCOUNT, WEEK, None))
    assert isinstance(error, Denied)
    assert "api_key" in (error.fix or "")
    assert "fixed-token" not in f"{error} {error.fix}"
    assert (len(kazoo.asked), kazoo.logins) == (2, [])


async def test_a_throttled_request_is_no_reason_to_log_in() -> None:
    """P1: after a 429 nobody logs in again: three logins would use up the limit of everybody behind this address."""
    kazoo = Kazoo(listing=(429, sample("error_throttled")))
    async with provider_before(kazoo) as provider:
        for _ in range(2):
            error = await error_of(provider.list_page(ACCOUNT, WEEK, None))
            assert isinstance(error, Throttled)
    assert len(kazoo.logins) == 1


@pytest.mark.parametrize(
    ("login", "expected", "fix"),
    [
        ((404, sample("error_api_key")), Denied, "api_key"),
        ((404, f"<p>{KEY} is not found here</p>"), Denied, "base_url"),
        ((400, {"data": {}, "message": f"invalid {KEY}"}), Denied, "api_key"),
        ((401, sample("error_no_token")), Denied, "password"),
        ((401, sample("error_multi_factor")), Denied, "second factor"),
        ((403, HTML), Denied, "password"),
        ((423, sample("error_locked")), Denied, "locked"),
        ((429, sample("error_throttled")), Throttled, ""),
        ((503, {"message": KEY}), Transient, ""),
        ((502, HTML), Transient, ""),
        ((200, HTML), ListingError, ""),
        ((201, {"data": {}, "status": "success"}), ListingError, ""),
        ((201, {"auth_token": 7, "request_id": KEY[:40]}), ListingError, ""),
    ],
)
async def test_a_refused_login(login: Any, expected: type[ArchiverError], fix: str) -> None:
    """S5: a login that fails says what to do, once, and never repeats the key, though Kazoo does."""
    kazoo = Kazoo(login=login)
    async with provider_before(kazoo) as provider:
        error = await error_of(provider.list_page(ACCOUNT, WEEK, None))
    assert isinstance(error, expected)
    assert error.account == "acme"
    assert fix in (error.fix or "")
    assert KEY not in f"{error} {error.fix} {error.__cause__!r}"
    assert len(kazoo.asked) == 1


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        ((400, sample("error_window")), WindowTooLarge, "validation error"),
        ((400, HTML), WindowTooLarge, "400"),
        ((416, sample("error_range")), WindowTooLarge, "416"),
        ((416, HTML), WindowTooLarge, "416"),
        ((400, {"data": {"start_key": {}}, "message": "validation error"}), ListingError, "validation error"),
        ((404, sample("error_page_size")), ListingError, "check base_url, account_id"),
        ((404, sample("error_missing")), ListingError, "check base_url, account_id"),
        ((405, HTML), ListingError, "405"),
        ((402, sample("error_locked")), Denied, "402"),
        ((403, HTML), Denied, "403"),
        ((423, sample("error_locked")), Denied, "locked"),
        ((409, HTML), Transient, "409"),
        ((500, HTML), Transient, "Bad gateway"),
        ((503, sample("error_fault")), Transient, "datastore_fault"),
        ((503, sample("error_unreachable")), Transient, "datastore_unreachable"),
        ((503, sample("error_view_missing")), Transient, "datastore missing view"),
        ((503, sample("error_database_missing")), Transient, "if it was removed"),
        ((503, HTML), Transient, "503"),
        ((200, HTML), ListingError, "no JSON"),
        ((200, sample("error_view_missing")), ListingError, "unknown shape"),
    ],
)
async def test_a_refused_listing(answer: Any, expected: type[ArchiverError], words: str) -> None:
    """D2: a listing that is refused is never an empty one; the kinds of refusal are told apart, without the token."""
    async with provider_before(Kazoo(listing=answer)) as provider:
        error = await error_of(provider.list_page(ACCOUNT, WEEK, None))
    assert isinstance(error, expected)
    assert type(error) is not ListingError or expected is ListingError
    assert words in str(error)
    assert "eyJ" not in str(error)
    assert error.account == "acme"


@pytest.mark.parametrize("name", ["document", "document_in_array"])
async def test_retrieve_asks_for_the_document(name: str) -> None:
    """Retrieve asks for JSON by its name, and reads both shapes."""
    kazoo = Kazoo(document=(200, sample(name)))
    async with provider_before(kazoo) as provider:
        found = await provider.retrieve(make_listed(RECORDING_ID, listing=ACCOUNT.name))
    assert found.recording_id == RECORDING_ID
    assert (kazoo.asked[-1].path, kazoo.asked[-1].headers["Accept"]) == (RECORDING_PATH, "application/json")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, sample("error_missing")), Gone),
        ((404, HTML), Gone),
        ((404, sample("error_malformed_id")), Permanent),
        ((200, sample("list_empty")), ListingError),
        ((200, {**sample("document"), "data": {**sample("document")["data"], "id": "202610-other"}}), ListingError),
        ((200, {"surprise": []}), ListingError),
    ],
)
async def test_a_document_that_is_not_there(answer: Any, expected: type[ArchiverError]) -> None:
    """What is not the recording asked for is never taken for it; only Kazoo's "not found" is Gone."""
    async with provider_before(Kazoo(document=answer)) as provider:
        error = await error_of(provider.retrieve(make_listed(RECORDING_ID)))
    assert type(error) is expected


async def test_audio_is_asked_for_by_exactly_one_type() -> None:
    """Media lies at the recording's own address; the type asked for is the same for every format."""
    kazoo = Kazoo()
    async with provider_before(kazoo) as provider:
        media, body = await fetch(provider)
    request = kazoo.asked[-1]
    assert (media.size_bytes, body) == (9, b"ID3 audio")
    assert (request.path_qs, request.headers["Accept"]) == (RECORDING_PATH, "audio/mpeg")
    assert request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("unheard", [(200, sample("document")), (200, b"")])
async def test_a_header_that_is_dropped_is_said_in_the_query(unheard: Any) -> None:
    """B2: JSON or nothing in place of audio shows that the header was dropped; the query says it, from then on."""
    kazoo = Kazoo(media=[unheard, (200, b"ID3 audio")])
    async with provider_before(kazoo) as provider:
        assert [(await fetch(provider))[1] for _ in range(2)] == [b"ID3 audio"] * 2
    queries = [dict(request.query) for request in kazoo.asked[1:]]
    assert queries == [{}, {"accept": "audio/mpeg"}, {"accept": "audio/mpeg"}]


async def test_no_audio_either_way_is_no_recording() -> None:
    """B2: a document in place of audio is refused, and asked for anew by header the next time."""
    kazoo = Kazoo(media=(200, sample("document")))
    async with provider_before(kazoo) as provider:
        for _ in range(2):
            assert type(await error_of(fetch(provider))) is IntegrityError
    assert [bool(request.query) for request in kazoo.asked[1:]] == [False, True, False, True]


async def test_a_stream_goes_on_where_it_broke_off() -> None:
    """B4: the rest is asked for as an open range of the same revision, and believed with a matching 206 only."""
    kazoo = Kazoo()
    async with provider_before(kazoo) as provider:
        whole, body = await fetch(provider)
        rest, tail = await fetch(provider, offset=4, validator=whole.validator)
        other, again = await fetch(provider, offset=4, validator='"2-b"')
    assert (rest.offset, body[:4] + tail, rest.size_bytes) == (4, body, 9)
    assert (other.offset, again) == (0, body)
    assert [request.headers.get("Range") for request in kazoo.asked[1:]] == [None, "bytes=4-", "bytes=4-", None]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, sample("error_no_attachment")), NotReady),
        ((404, sample("error_page_size")), NotReady),
        ((404, HTML), NotReady),
        ((404, sample("error_missing")), Gone),
        ((404, sample("error_malformed_id")), Permanent),
        ((406, HTML), Permanent),
        ((403, HTML), Denied),
        ((500, HTML), Transient),
        ((503, sample("error_fault")), Transient),
    ],
)
async def test_media_that_is_not_there(answer: Any, expected: type[ArchiverError]) -> None:
    """B5: the kinds of 404 are told apart by their data; what is unknown is waited for, on a schedule of its own."""
    async with provider_before(Kazoo(media=answer)) as provider:
        error = await error_of(fetch(provider))
    assert type(error) is expected
    assert not isinstance(error, NotReady) or error.retry_after == timedelta(hours=6)


@pytest.mark.parametrize(
    ("listing", "expected"),
    [(["list", "list_last"], Gone), (["list", "seam"], Permanent), (["list_empty"], Gone)],
)
async def test_a_recording_behind_the_seam_of_months(listing: Sequence[str], expected: type[ArchiverError]) -> None:
    """A recording over a change of month that is listed and not found is failed with words that say so, instead of
    being asked for for ever; one that is no longer listed is gone."""
    seam = {**sample("list_last"), "data": [row(id="202610-seam")]}
    kazoo = Kazoo(
        media=(404, sample("error_missing")),
        listing=[(200, seam if name == "seam" else sample(name)) for name in listing],
    )
    started_at = datetime(2026, 10, 31, 23, 50, tzinfo=UTC)
    async with provider_before(kazoo) as provider:
        error = await error_of(fetch(provider, make_listed("202610-seam", started_at=started_at)))
    assert type(error) is expected
    assert ("listed but not retrievable" in str(error)) is (expected is Permanent)
    assert kazoo.asked[2].query["created_from"] == str(gregorian_seconds(started_at))


async def test_an_error_of_the_reader_is_its_own() -> None:
    """What the reader of a stream raises passes through unchanged."""
    async with provider_before(Kazoo()) as provider:
        with pytest.raises(Gone, match="the reader's own"):
            async with provider.open_media(MediaRequest(recording=make_listed(RECORDING_ID))):
                raise Gone("the reader's own")


async def test_a_token_needs_https() -> None:
    """S1: an address without TLS is refused before anything is sent, unless the operator allows it."""
    with pytest.raises(ConfigError, match="https"):
        async with provider_before(Kazoo(), allow_http=False):
            pass
